// Package app is the interactive console: one bubbletea model that shows the views of package view over a
// source.Fleet and runs the verbs of package action, each behind a question.
//
// Nothing here blocks: daemons are watched by package source, verbs run as commands, and changes arrive coalesced, at
// most ten a second, so that an idle console costs nothing.
package app

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
	"github.com/getvpn/getvpn/tui/widget"
)

// Source is where the model gets its fleet; *source.Source is one.
type Source interface {
	// Next waits for a change; false when there will be none any more.
	Next(ctx context.Context) (*source.Fleet, bool)
}

// Options is what the command line says.
type Options struct {
	Theme *theme.Theme
	Write bool   // actions are allowed, if daemons take them
	Mouse bool   // the mouse is caught from the start
	Start string // the view that is shown first; empty: pulse

	History []string                  // commands of earlier consoles, oldest first
	Columns map[string]widget.Columns // that were chosen in earlier consoles, by view
}

// Model is the console.
type Model struct {
	ctx    context.Context
	src    Source
	player Player       // nil: the source is live
	tape   *source.Tape // what is being recorded on; nil: nothing is
	marks  marks        // of the player's bar
	theme  *theme.Theme
	write  bool
	mouse  bool
	keys   []command
	views  []view.View
	fleet  *source.Fleet
	frozen *source.Fleet // what is shown while the screen is frozen

	width, height int
	roots         map[string]*level // by view: a view is as it was left
	stack         []*level          // where we are, and how we came here
	page          drawn             // the page of the top level
	prompt        prompt
	ask           *question
	help          *help
	chooser       *chooser
	pending       pending
	columns       map[string]widget.Columns // that were chosen, by view
	flash         flash
	now           func() time.Time
}

// level is a place and how it is looked at.
type level struct {
	place  view.Place
	look   widget.Look
	scroll int
	fixed  *view.Page // a text to be read instead of a view
}

// drawn is a page, and what it was made for.
type drawn struct {
	page          *view.Page
	fleet         *source.Fleet
	place         view.Place
	theme         *theme.Theme
	width, height int
	pending       *view.Pending
	sides         string
}

// flash is one line that is shown for a few seconds.
type flash struct {
	text  string
	bad   bool
	until time.Time
}

type fleetMsg struct{ fleet *source.Fleet }
type tickMsg time.Time
type doneMsg struct {
	text string
	err  error
	then func(m *Model)
}

// New returns a console over src.
func New(ctx context.Context, src Source, o Options) *Model {
	m := &Model{
		ctx: ctx, src: src, theme: o.Theme, write: o.Write, mouse: o.Mouse, views: view.All(), fleet: &source.Fleet{},
		roots: map[string]*level{}, width: 80, height: 24, now: time.Now,
	}
	m.player, _ = src.(Player)
	m.keys = keyMap(m.views, m.player != nil)
	m.prompt.input = textinput.New()
	m.prompt.input.CharLimit = 200
	m.prompt.history = append([]string{}, o.History...)
	m.columns = map[string]widget.Columns{}
	maps.Copy(m.columns, o.Columns)
	start := m.views[0].Name()
	if o.Start != "" {
		start = o.Start
	}
	m.show(view.Place{View: start})
	if m.player != nil {
		if notes := m.player.Position().Notes; len(notes) > 0 {
			m.say("", errNothing(strings.Join(notes, "; ")))
		}
	}
	return m
}

// History is what was typed after the colon, in earlier consoles too.
func (m *Model) History() []string { return m.prompt.history }

// Columns are those that were chosen, by view, in earlier consoles too.
func (m *Model) Columns() map[string]widget.Columns { return m.columns }

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
		return m, tea.Batch(m.wait(), m.askPending())
	case tickMsg:
		if m.player == nil && !m.fleet.State.Simulated() { // else they say themselves what time it is
			next := *m.fleet
			next.Time = time.Time(msg)
			m.fleet = &next
		}
		m.watchTape()
		return m, tea.Batch(tick(), m.askPending())
	case pendingMsg:
		m.pending.known, m.pending.asking = msg.known, false
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case doneMsg:
		m.say(msg.text, msg.err)
		if msg.then != nil && msg.err == nil {
			msg.then(m)
		}
	case tea.MouseMsg:
		return m, m.click(msg)
	case tea.KeyMsg:
		return m, tea.Batch(m.keystrokes(msg), m.askPending())
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
	m.flash = flash{text, err != nil, m.now().Add(8 * time.Second)}
	if err != nil {
		m.flash.text = err.Error()
	}
}

// press gives a key to whoever has the word: a question, a prompt, the help, or the key map.
func (m *Model) press(msg tea.KeyMsg) tea.Cmd {
	switch {
	case m.ask != nil:
		return m.answer(msg)
	case m.prompt.mode != noPrompt:
		return m.typed(msg)
	case m.help != nil:
		return m.readHelp(msg)
	case m.chooser != nil:
		return m.choose(msg)
	}
	if c := m.command(msg); c != nil {
		return m.do(c)
	}
	return nil
}

// shown is the fleet that is on the screen.
func (m *Model) shown() *source.Fleet {
	if m.frozen != nil {
		return m.frozen
	}
	return m.fleet
}

type errNothing string

func (e errNothing) Error() string { return string(e) }
