package sim

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/record"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// EventBroken is the name of the event that tells that an invariant was broken, EventFault of one that something was broken on purpose.
const (
	EventBroken = "invariant-broken"
	EventFault  = "fault"
)

// SnapshotEvery is how often, in the time of the run, a recording has a snapshot of a node of which nothing else is heard.
const SnapshotEvery = time.Second

// Recorder writes what consoles would see of a run into a recording.
type Recorder struct {
	s     *Sim
	w     *record.Writer
	seq   map[*Node]uint64
	gone  map[*Node]bool
	shown map[*Node]int // the life of which there is a snapshot
	lab   []labFault
	text  map[string]string // of lab.json and of what nodes are, as written last
	err   error
}

// labState is what a console knows of a lab, as lab.json has it.
type labState struct {
	Name     string     `json:"name"`
	Scenario string     `json:"scenario"`
	Driver   string     `json:"driver"`
	Created  time.Time  `json:"created"`
	Nodes    []labNode  `json:"nodes"`
	Links    []labLink  `json:"links"`
	Faults   []labFault `json:"faults"`
}

type labNode struct {
	Name      string         `json:"name"`
	Kind      string         `json:"kind"`
	Addresses []netip.Prefix `json:"addresses"`
	Wanted    string         `json:"wanted,omitempty"`
	Socket    string         `json:"socket,omitempty"`
}

type labLink struct {
	A string `json:"a"`
	B string `json:"b"`
}

type labFault struct {
	Kind  string    `json:"kind"`
	Spec  string    `json:"spec"`
	Since time.Time `json:"since"`

	of Fault
}

// Header is the first line of a run's recording.
func (s *Sim) Header(title string) record.Header {
	return record.Header{Title: title, Lab: "sim", Started: s.clock().Wall}
}

// Record writes the run, from now on, until its end, and returns what tells afterwards whether that went well.
func (s *Sim) Record(w *record.Writer) *Recorder {
	r := &Recorder{s: s, w: w, seq: map[*Node]uint64{}, gone: map[*Node]bool{}, shown: map[*Node]int{}, text: map[string]string{}}
	journal, log := s.Journal, s.Log
	s.Journal = func(n *Node, now machine.Now, e machine.Note) {
		if journal != nil {
			journal(n, now, e)
		}
		if e.Severity > machine.Debug {
			r.event(n, translate.Event(n.Name, now, e))
		}
	}
	s.Log = func(e Entry) {
		if log != nil {
			log(e)
		}
		r.entry(e)
	}
	s.Each(SnapshotEvery, r.all)
	r.all()
	return r
}

// Err is the first failure.
func (r *Recorder) Err() error { return r.err }

func (r *Recorder) now() time.Time { return r.s.clock().Wall }

func (r *Recorder) write(f record.Frame) {
	if r.err == nil {
		f.At = r.now()
		r.err = r.w.Write(f)
	}
}

func (n *Node) role() string {
	if n.KeyServing() {
		return control.RoleKeyServer
	}
	return control.RoleGroupMember
}

// event writes what a node says, and what it is now.
func (r *Recorder) event(n *Node, e control.Event) {
	if shown, ok := r.shown[n]; n.Up() && (!ok || shown != n.Life()) {
		r.node(n) // a watch begins with a snapshot
	}
	r.seq[n]++
	e.Seq, e.Time = r.seq[n], r.now()
	r.write(record.Frame{Node: n.Name, Role: n.role(), Watch: &control.Watch{Event: &e}})
}

// all writes the lab, if it has changed, and every node that runs.
func (r *Recorder) all() {
	r.state()
	for _, n := range r.s.all() {
		r.node(n)
	}
}

func (r *Recorder) node(n *Node) {
	s := n.Snapshot()
	switch {
	case s == nil && !r.gone[n]:
		r.gone[n] = true
		r.write(record.Frame{Node: n.Name, Role: n.role(), Gone: "not running"})
	case s != nil && !n.paused:
		r.gone[n], r.shown[n] = false, n.Life()
		s.LastSeq, s.Time = r.seq[n], r.now()
		r.write(record.Frame{Node: n.Name, Role: n.role(), Watch: &control.Watch{Snapshot: s}})
	}
}

// entry looks at the trace for what no journal tells.
func (r *Recorder) entry(e Entry) {
	switch e.Kind {
	case "crash":
		n := r.s.Node(e.Node)
		r.gone[n] = true
		r.write(record.Frame{Node: n.Name, Role: n.role(), Gone: "its process has ended"})
	case "fault":
		r.fault(e)
	case "violation":
		rule, text, _ := strings.Cut(e.Text, ": ")
		r.told(e.Node, EventBroken, machine.Error, rule, text)
	}
}

// told makes an event of what the simulator itself says: in the journal of the node that it is about, or of the first key server.
func (r *Recorder) told(node, name string, severity machine.Severity, reason, text string) {
	n := r.s.KS()
	if node != "" {
		n = r.s.Node(node)
	}
	text, _, _ = strings.Cut(text, "\n")
	r.event(n, control.Event{Node: n.Name, Name: name, Severity: severity.String(), Group: r.s.Group(), Reason: reason, Text: text})
}

// fault keeps the list of what is broken on purpose.
func (r *Recorder) fault(e Entry) {
	r.told("", EventFault, machine.Warning, "", e.Text)
	line, ended := strings.CutPrefix(e.Text, "end of ")
	f, err := ParseFault(line)
	switch {
	case err != nil: // everything is mended
		r.lab = nil
	case ended:
		r.lab = slices.DeleteFunc(r.lab, func(l labFault) bool { return l.of == f })
	case f.For > 0:
		r.lab = append(r.lab, faultsOf(f, r.now())...)
	}
	r.state()
}

// faultsOf is a fault as lab.json has it: a partition of several sides is one of each two of them.
func faultsOf(f Fault, since time.Time) (out []labFault) {
	if f.Kind != FaultCut && f.Kind != FaultSplit {
		l := labFault{Kind: string(f.Kind), Spec: f.Node, Since: since, of: f}
		if f.N != 0 {
			l.Spec = strings.TrimSpace(fmt.Sprintf("%s n=%d", l.Spec, f.N))
		}
		return []labFault{l}
	}
	only := ""
	if f.Kind == FaultCut {
		only = " only control"
	}
	sides := strings.FieldsFunc(f.Node, func(r rune) bool { return r == '|' || r == '>' })
	for i, a := range sides {
		for _, b := range sides[i+1:] {
			out = append(out, labFault{Kind: "partition", Spec: a + "/" + b + only, Since: since, of: f})
		}
	}
	return out
}

// state writes the lab, if it has changed.
func (r *Recorder) state() {
	b, err := json.Marshal(r.labState())
	if err != nil || r.text["lab"] == string(b) {
		return
	}
	r.text["lab"] = string(b)
	r.write(record.Frame{Lab: b})
}

// labState draws the run as a star: everybody at one core.
func (r *Recorder) labState() labState {
	const core = "core"
	s := r.s
	out := labState{
		Name: "sim", Scenario: fmt.Sprintf("seed %d", s.cfg.Seed), Driver: "sim", Created: s.cfg.epoch(),
		Nodes: []labNode{{Name: core, Kind: "core", Addresses: []netip.Prefix{}}}, Links: []labLink{}, Faults: append([]labFault{}, r.lab...),
	}
	for _, n := range s.all() {
		at := labNode{Name: n.Name, Kind: n.role(), Wanted: "running", Socket: "sim/" + n.Name}
		for _, a := range []netip.AddrPort{n.Addr, n.other} {
			if a.IsValid() {
				at.Addresses = append(at.Addresses, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
			}
		}
		if !n.Up() {
			at.Wanted = "killed"
		} else if n.paused {
			at.Wanted = "paused"
		}
		out.Nodes = append(out.Nodes, at)
		out.Links = append(out.Links, labLink{n.Name, core})
	}
	return out
}
