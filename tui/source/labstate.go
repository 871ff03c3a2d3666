package source

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/daemon/control/record"
)

// LabState is the lab behind a Fleet, as getvpn-lab describes it in its lab.json: every node and link, and what is broken on
// purpose. It is a value: views only read it.
type LabState struct {
	Scenario string     `json:"scenario"`
	Driver   string     `json:"driver"` // netns, compose or sim
	Nodes    []LabNode  `json:"nodes"`
	Links    []LabLink  `json:"links"`
	Faults   []LabFault `json:"faults"`
	Turned   int        `json:"turned,omitempty"` // how often the time of a simulated lab was turned back

	raw  json.RawMessage // as it was read
	file os.FileInfo
}

// Simulated says whether the lab's time is its own.
func (s *LabState) Simulated() bool { return s != nil && s.Driver == "sim" }

// LabNode is a node of a lab. Its Kind is ks, gm, core or host.
type LabNode struct {
	Name      string    `json:"name"`
	Kind      string    `json:"kind"`
	Addresses []string  `json:"addresses"`
	Outsider  bool      `json:"outsider"`         // only some checks start it
	Wanted    string    `json:"wanted,omitempty"` // running, stopped, killed or paused; empty: it has no daemon
	Since     time.Time `json:"since,omitzero"`   // when that was wanted, if it is not to run
	Socket    string    `json:"socket,omitempty"`
	Config    string    `json:"config,omitempty"` // the file that its daemon is configured by
}

// Paused says whether the daemon was stopped where it stands.
func (n *LabNode) Paused() bool { return n.Wanted == "paused" }

// Ended says whether somebody wants that the daemon does not run.
func (n *LabNode) Ended() bool { return n.Wanted != "" && n.Wanted != "running" && !n.Outsider }

// LabLink is a cable between two nodes.
type LabLink struct {
	A string `json:"a"`
	B string `json:"b"`
}

// LabFault is something that is broken on purpose.
type LabFault struct {
	Kind  string     `json:"kind"` // partition, or another
	Spec  string     `json:"spec"` // of a partition: A,B/C,D or A/B only control
	Since time.Time  `json:"since"`
	Until *time.Time `json:"until,omitempty"` // it is lifted by itself then
	By    string     `json:"by,omitempty"`    // who set it
}

// Sides are the nodes on the two sides of a partition; both are empty for another fault.
func (f *LabFault) Sides() (a, b []string) {
	if f.Kind != "partition" {
		return nil, nil
	}
	spec, _, _ := strings.Cut(f.Spec, " ")
	left, right, _ := strings.Cut(spec, "/")
	return strings.Split(left, ","), strings.Split(right, ",")
}

// TokenLost says whether the HSM token of a node has been pulled out.
func (s *LabState) TokenLost(node string, now time.Time) bool {
	return s != nil && slices.ContainsFunc(s.Faults, func(f LabFault) bool { return f.Kind == "token lost" && f.Spec == node && f.Lasts(now) })
}

// Lasts says whether the fault is there at a time.
func (f *LabFault) Lasts(now time.Time) bool { return f.Until == nil || now.Before(*f.Until) }

// Node finds a node of the lab; nil: there is none, or no lab.
func (s *LabState) Node(name string) *LabNode {
	if s == nil {
		return nil
	}
	for i := range s.Nodes {
		if s.Nodes[i].Name == name {
			return &s.Nodes[i]
		}
	}
	return nil
}

// ParseLab reads a lab.json.
func ParseLab(text []byte) (*LabState, error) {
	s := &LabState{raw: text}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("lab.json: %w", err)
	}
	return s, nil
}

// unchanged says whether a file that is replaced whenever it changes is still the same one.
func unchanged(older, now os.FileInfo) bool {
	return os.SameFile(older, now) && now.ModTime().Equal(older.ModTime()) && now.Size() == older.Size()
}

// reread reads a file of a lab. Given what it was before, it returns that while nothing has changed, or while the file makes no sense;
// nil: there is none. file is where it keeps which file it has read.
func reread[T any](lab, name string, older *T, file func(*T) *os.FileInfo, parse func([]byte) (*T, error)) *T {
	path := filepath.Join(LabDir(), lab, name)
	info, err := os.Stat(path)
	if err != nil || client.TrustLabDir() != nil { // another user may have made the directory since the user's own went with the last lab
		return nil
	}
	if older != nil && unchanged(*file(older), info) {
		return older
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return older
	}
	now, err := parse(b)
	if err != nil {
		return older
	}
	*file(now) = info
	return now
}

// readLab reads what a lab has.
func readLab(name string, older *LabState) *LabState {
	return reread(name, "lab.json", older, func(s *LabState) *os.FileInfo { return &s.file }, ParseLab)
}

// look takes up what has become of the lab, and of what it is for.
func (s *Source) look() {
	if s.lab == "" {
		return
	}
	s.looking.Lock()
	defer s.looking.Unlock()
	state, course := readLab(s.lab, s.state), readCourse(s.lab, s.course) // which nobody else writes
	s.mu.Lock()
	changed := state != s.state || course != s.course || s.held != nil
	if state != nil && s.state != nil && state.Turned != s.state.Turned {
		s.turnBack()
	}
	was, before := s.state, s.course
	s.state, s.course = state, course
	if state != nil {
		s.virtual = state.Simulated()
	}
	if state != was && state != nil {
		s.tell(record.Frame{Lab: state.raw})
	}
	if course != before && course != nil {
		s.tell(record.Frame{Course: course.raw})
	}
	s.mu.Unlock()
	if changed {
		s.announce()
	}
}
