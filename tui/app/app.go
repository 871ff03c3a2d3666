// Package app is the interactive console: one bubbletea model that shows the views of package view over a
// source.Fleet and runs the actions of package action, each behind a question.
//
// Nothing here blocks: daemons are watched by package source, actions run as commands, and changes arrive coalesced, at
// most ten a second, so that an idle console costs nothing.
package app

import (
	"context"
	"time"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
)

// Source is where the model gets its fleet; *source.Source is one.
type Source interface {
	// Next waits for a change; false when there will be none any more.
	Next(ctx context.Context) (*source.Fleet, bool)
}

// Model is the console.
type Model struct {
	ctx    context.Context
	src    Source
	theme  *theme.Theme
	keys   keyMap
	views  []view.View
	fleet  *source.Fleet
	frozen *source.Fleet // what is shown while the screen is frozen

	width, height int
	tab           int
	node          string // the node that is open, or ""
	cursor        []int
	offset        []int
	filter        textinput.Model
	filtering     bool
	help          bool
	ask           *question
	flash         string
	flashBad      bool
	flashUntil    time.Time
	now           func() time.Time
}

// question is an action that waits for a yes.
type question struct {
	text string
	run  func(context.Context) (string, error)
}

type fleetMsg struct{ fleet *source.Fleet }
type tickMsg time.Time
type doneMsg struct {
	text string
	err  error
}

// New returns a console over src.
func New(ctx context.Context, src Source, th *theme.Theme) *Model {
	in := textinput.New()
	in.Prompt = "/"
	in.CharLimit = 64
	views := view.All()
	return &Model{
		ctx: ctx, src: src, theme: th, keys: defaultKeys(), views: views, fleet: &source.Fleet{},
		cursor: make([]int, len(views)), offset: make([]int, len(views)), filter: in, width: 80, height: 24, now: time.Now,
	}
}

// Init implements tea.Model.
func (m *Model) Init() tea.Cmd { return tea.Batch(m.wait(), tick()) }

// wait returns the next fleet.
func (m *Model) wait() tea.Cmd {
	return func() tea.Msg {
		f, ok := m.src.Next(m.ctx)
		if !ok {
			return nil
		}
		return fleetMsg{f}
	}
}

// tick makes countdowns run once a second.
func tick() tea.Cmd { return tea.Tick(time.Second, func(t time.Time) tea.Msg { return tickMsg(t) }) }

// Update implements tea.Model.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case fleetMsg:
		m.fleet = msg.fleet
		return m, m.wait()
	case tickMsg:
		next := *m.fleet
		next.Time = time.Time(msg)
		m.fleet = &next
		return m, tick()
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case doneMsg:
		m.say(msg.text, msg.err)
	case tea.KeyMsg:
		return m, m.keystrokes(msg)
	}
	return m, nil
}

// keystrokes takes apart what a fast typist, or a script, sent in one read; a paste stays whole.
func (m *Model) keystrokes(msg tea.KeyMsg) tea.Cmd {
	if msg.Type != tea.KeyRunes || len(msg.Runes) < 2 || msg.Paste {
		return m.press(msg)
	}
	var cmds []tea.Cmd
	for _, r := range msg.Runes {
		cmds = append(cmds, m.press(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: msg.Alt}))
	}
	return tea.Batch(cmds...)
}

// say shows one line for a few seconds.
func (m *Model) say(text string, err error) {
	m.flash, m.flashBad = text, err != nil
	if err != nil {
		m.flash = err.Error()
	}
	m.flashUntil = m.now().Add(8 * time.Second)
}

func (m *Model) press(msg tea.KeyMsg) tea.Cmd {
	if m.filtering {
		return m.pressFilter(msg)
	}
	if m.ask != nil {
		q := m.ask
		m.ask = nil
		if msg.String() == "y" || msg.String() == "Y" {
			m.say("working…", nil)
			return func() tea.Msg {
				text, err := q.run(m.ctx)
				return doneMsg{text, err}
			}
		}
		m.say("nothing was done", nil)
		return nil
	}
	if m.help {
		m.help = false
		if !key.Matches(msg, m.keys.Quit) {
			return nil
		}
	}
	k := m.keys
	for i, b := range k.Tabs {
		if key.Matches(msg, b) && i < len(m.views) {
			m.tab, m.node = i, ""
			return nil
		}
	}
	switch {
	case key.Matches(msg, k.Quit):
		return tea.Quit
	case key.Matches(msg, k.Help):
		m.help = true
	case key.Matches(msg, k.Next):
		m.tab, m.node = (m.tab+1)%len(m.views), ""
	case key.Matches(msg, k.Prev):
		m.tab, m.node = (m.tab+len(m.views)-1)%len(m.views), ""
	case key.Matches(msg, k.Filter):
		m.filtering = true
		return m.filter.Focus()
	case key.Matches(msg, k.Freeze):
		if m.frozen == nil {
			m.frozen = m.fleet
		} else {
			m.frozen = nil
		}
	case key.Matches(msg, k.Back):
		if m.node != "" {
			m.node = ""
		} else {
			m.filter.SetValue("")
		}
	case key.Matches(msg, k.Open):
		m.node = m.selected()
	default:
		if !m.move(msg) {
			m.act(msg)
		}
	}
	return nil
}

func (m *Model) pressFilter(msg tea.KeyMsg) tea.Cmd {
	switch msg.String() {
	case "enter":
		m.filtering = false
		m.filter.Blur()
		return nil
	case "esc", "ctrl+c":
		m.filtering = false
		m.filter.SetValue("")
		m.filter.Blur()
		return nil
	}
	var cmd tea.Cmd
	m.filter, cmd = m.filter.Update(msg)
	m.cursor[m.tab] = 0
	return cmd
}

// move handles the keys that walk in a list, or scroll one without objects.
func (m *Model) move(msg tea.KeyMsg) bool {
	k, page := m.keys, max(m.bodyHeight()-2, 1)
	step := 0
	switch {
	case key.Matches(msg, k.Up):
		step = -1
	case key.Matches(msg, k.Down):
		step = 1
	case key.Matches(msg, k.PageUp):
		step = -page
	case key.Matches(msg, k.PageDown):
		step = page
	case key.Matches(msg, k.Top):
		step = -1 << 30
	case key.Matches(msg, k.Bottom):
		step = 1 << 30
	default:
		return false
	}
	if rows := m.views[m.tab].Rows(m.frame()); rows != nil {
		m.cursor[m.tab] = max(0, min(m.cursor[m.tab]+step, len(rows)-1))
	} else {
		m.offset[m.tab] = max(0, min(m.offset[m.tab]-step, len(m.shown().Events)))
	}
	return true
}

// act prepares an action; the question is asked before anything happens.
func (m *Model) act(msg tea.KeyMsg) {
	k, fleet, node := m.keys, m.fleet, m.selected()
	group := m.group(node)
	switch {
	case key.Matches(msg, k.Rekey), key.Matches(msg, k.RekeyKEK):
		kek := key.Matches(msg, k.RekeyKEK)
		what := "a new TEK"
		if kek {
			what = "a new TEK and a new KEK"
		}
		if group == "" {
			m.say("", errNothing("no group is attached"))
			return
		}
		m.ask = &question{"Rekey group " + group + " with " + what + "? Old keys stay valid through the rollover.",
			func(ctx context.Context) (string, error) { return action.Rekey(ctx, fleet, group, kek) }}
	case key.Matches(msg, k.Kill):
		m.labAction(node, "Kill "+node+" (SIGKILL)? It stays dead until it is started.", action.Kill)
	case key.Matches(msg, k.Start):
		m.labAction(node, "Start "+node+"?", action.Start)
	case key.Matches(msg, k.Remove):
		if node == "" || group == "" {
			m.say("", errNothing("select a member first (views 1 and 2)"))
			return
		}
		m.ask = &question{"Remove member " + node + " from group " + group + "? It is refused until readmitted; all others get new keys.",
			func(ctx context.Context) (string, error) {
				return action.RemoveMember(ctx, fleet, group, []string{node}, false)
			}}
	case key.Matches(msg, k.Handover):
		m.handover(node)
	case key.Matches(msg, k.Clear):
		if node == "" || group == "" {
			m.say("", errNothing("select a member first (views 1 and 2)"))
			return
		}
		m.ask = &question{"Clear member " + node + " of group " + group + "? It loses its keys and must register again.",
			func(ctx context.Context) (string, error) { return action.ClearMember(ctx, fleet, group, node) }}
	}
}

// handover asks whether the selected key server shall be primary: of the group whose row it is, or of its first one.
func (m *Model) handover(node string) {
	fleet, group := m.fleet, m.group(node)
	if n := fleet.Node(node); n == nil || n.Role != control.RoleKeyServer {
		m.say("", errNothing("select a key server first (views 1 and 6)"))
		return
	}
	if v, ok := m.views[m.tab].(view.Coop); ok && m.node == "" {
		group = v.GroupAt(m.frame())
	}
	m.ask = &question{"Make " + node + " primary of group " + group + "? The primary of now hands over when " + node + " has all that it has.",
		func(ctx context.Context) (string, error) { return action.Handover(ctx, fleet, group, node) }}
}

type errNothing string

func (e errNothing) Error() string { return string(e) }

func (m *Model) labAction(node, text string, run func(ctx context.Context, lab, node string) (string, error)) {
	switch lab := m.fleet.Lab; {
	case lab == "":
		m.say("", action.ErrNoLab)
	case node == "":
		m.say("", errNothing("select a node first (views 1 and 2)"))
	default:
		m.ask = &question{text, func(ctx context.Context) (string, error) { return run(ctx, lab, node) }}
	}
}

// group is the group that an action on the node means: its first one, or the first of all.
func (m *Model) group(node string) string {
	if n := m.fleet.Node(node); n != nil && n.Snap != nil {
		if n.Snap.GM != nil && len(n.Snap.GM.Groups) > 0 {
			return n.Snap.GM.Groups[0].Name
		}
		if n.Snap.KS != nil && len(n.Snap.KS.Groups) > 0 {
			return n.Snap.KS.Groups[0].Name
		}
	}
	if all := m.fleet.Groups(); len(all) > 0 {
		return all[0]
	}
	return ""
}

// selected is the node under the cursor, or the open one.
func (m *Model) selected() string {
	if m.node != "" {
		return m.node
	}
	rows := m.views[m.tab].Rows(m.frame())
	if c := m.cursor[m.tab]; c >= 0 && c < len(rows) {
		return rows[c]
	}
	return ""
}

func (m *Model) shown() *source.Fleet {
	if m.frozen != nil {
		return m.frozen
	}
	return m.fleet
}
