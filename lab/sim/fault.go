package sim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
)

// FaultKind says what goes wrong, or what an operator does.
type FaultKind string

// Kinds. Node is whom it happens to, unless something else is said; For is when it ends by itself.
const (
	// FaultCrash kills a node after N more effects, in the middle of a step as it may be; it starts again from its disk.
	FaultCrash FaultKind = "crash"
	// FaultErase kills it at once and wipes its disk.
	FaultErase FaultKind = "erase"
	// FaultReboot kills it at once; instants of before mean nothing to the next life.
	FaultReboot FaultKind = "reboot"
	// FaultPause stops the process (SIGSTOP): what arrives waits, timers go off late.
	FaultPause FaultKind = "pause"
	// FaultSlow makes every write take N milliseconds longer.
	FaultSlow FaultKind = "slow"
	// FaultStore makes writes fail, FaultCustody signatures.
	FaultStore   FaultKind = "store"
	FaultCustody FaultKind = "custody"
	// FaultToken takes the token of a key server away, which has a key custody; the process is told N milliseconds later.
	// FaultTokenSlow makes its calls take N milliseconds longer, FaultTokenFull lets it make no more keys. FaultTokenNew kills the
	// process and puts an empty token in.
	FaultToken     FaultKind = "token"
	FaultTokenSlow FaultKind = "tokenslow"
	FaultTokenFull FaultKind = "tokenfull"
	FaultTokenNew  FaultKind = "tokennew"
	// FaultCut keeps control-plane datagrams from passing between the sides that Node lists: "ks1,gm1|ks2,gm2"; with ">"
	// only from left to right. FaultSplit stops what members send each other, too.
	FaultCut   FaultKind = "cut"
	FaultSplit FaultKind = "split"
	// FaultLoss makes the network lose N percent, and double and reorder as much.
	FaultLoss FaultKind = "loss"
	// FaultWall sets the wall clock of a node by N milliseconds. FaultDrift makes its oscillator N ppm faster, from the
	// beginning of the run whatever its time is.
	FaultWall  FaultKind = "wall"
	FaultDrift FaultKind = "drift"
	// Commands of operators. A rekey (N: 1 for a KEK, too), a removal and a readmission go to the primary; Node is the member.
	FaultRekey      FaultKind = "rekey"
	FaultRemove     FaultKind = "remove"
	FaultReadmit    FaultKind = "readmit"
	FaultClear      FaultKind = "clear"
	FaultReregister FaultKind = "reregister"
	FaultHandover   FaultKind = "handover"
)

// Fault is one thing that goes wrong at a time: a value, so that a run is a list of them, which can be written down, made
// shorter and played again.
type Fault struct {
	At   time.Duration
	Kind FaultKind
	Node string
	N    int
	For  time.Duration
}

// String is what ParseFault reads.
func (f Fault) String() string {
	b := fmt.Sprintf("%v %s", f.At, f.Kind)
	if f.Node != "" {
		b += " " + f.Node
	}
	if f.N != 0 {
		b += fmt.Sprintf(" n=%d", f.N)
	}
	if f.For != 0 {
		b += fmt.Sprintf(" for=%v", f.For)
	}
	return b
}

// ParseFault reads a line such as "12.5s crash ks1 n=3 for=8s".
func ParseFault(line string) (f Fault, err error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return f, fmt.Errorf("sim: fault %q: use TIME KIND [NODE] [n=NUMBER] [for=TIME]", line)
	}
	if f.At, err = time.ParseDuration(words[0]); err != nil {
		return f, fmt.Errorf("sim: fault %q: %w", line, err)
	}
	f.Kind = FaultKind(words[1])
	if _, ok := actions[f.Kind]; !ok {
		return f, fmt.Errorf("sim: fault %q: there is no kind %q", line, words[1])
	}
	for _, w := range words[2:] {
		key, value, found := strings.Cut(w, "=")
		switch {
		case !found:
			f.Node = w
		case key == "n":
			f.N, err = strconv.Atoi(value)
		case key == "for":
			f.For, err = time.ParseDuration(value)
		default:
			err = fmt.Errorf("what is %q", key)
		}
		if err != nil {
			return f, fmt.Errorf("sim: fault %q: %w", line, err)
		}
	}
	return f, nil
}

// ParseFaults reads a list, a line each; what follows "#" is not read.
func ParseFaults(text string) (out []Fault, err error) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		f, err := ParseFault(line)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

var errBroken = errors.New("broken by the simulator")

// actions begin a fault, and return what ends it.
var actions = map[FaultKind]func(s *Sim, f Fault) (end func()){
	FaultCrash: onNode(func(n *Node, f Fault) func() {
		n.CrashAfter(f.N)
		return func() { n.Crash(); n.Start() }
	}),
	FaultErase: onNode(func(n *Node, _ Fault) func() {
		n.Crash()
		n.Erase()
		return n.Start
	}),
	FaultReboot: onNode(func(n *Node, _ Fault) func() {
		n.Crash()
		return func() { n.boot++; n.Start() }
	}),
	FaultPause: onNode(func(n *Node, _ Fault) func() {
		n.Pause()
		return n.Resume
	}),
	FaultSlow: onNode(func(n *Node, f Fault) func() {
		d := time.Duration(f.N) * time.Millisecond
		n.slow += d
		return func() { n.slow -= d }
	}),
	FaultStore: onNode(func(n *Node, _ Fault) func() {
		n.FailStore(errBroken)
		return func() { n.FailStore(nil) }
	}),
	FaultCustody: onNode(func(n *Node, _ Fault) func() {
		n.FailCustody(errBroken)
		return func() { n.FailCustody(nil) }
	}),
	FaultToken: onToken(func(n *Node, f Fault) func() {
		n.loseToken(time.Duration(f.N) * time.Millisecond)
		return n.returnToken
	}),
	FaultTokenSlow: onToken(func(n *Node, f Fault) func() {
		d := time.Duration(f.N) * time.Millisecond
		n.token.slow += d
		return func() { n.token.slow = max(0, n.token.slow-d) }
	}),
	FaultTokenFull: onToken(func(n *Node, _ Fault) func() {
		n.token.full = true
		return func() { n.token.full = false }
	}),
	FaultTokenNew: onToken(func(n *Node, _ Fault) func() {
		n.Crash()
		n.token.replace()
		n.s.Check.keks.wiped = true
		return n.Start
	}),
	FaultCut:   func(s *Sim, f Fault) func() { return s.cut(f.Node, false) },
	FaultSplit: func(s *Sim, f Fault) func() { return s.cut(f.Node, true) },
	FaultLoss: func(s *Sim, f Fault) func() {
		was := s.network
		p := float64(f.N) / 100
		s.Degrade(Network{Loss: p, Duplicate: p, Latency: was.Latency, Jitter: max(was.Jitter, 50*time.Millisecond)})
		return func() { s.Degrade(s.cfg.Network) }
	},
	FaultWall: onNode(func(n *Node, f Fault) func() {
		n.StepWall(time.Duration(f.N) * time.Millisecond)
		return nil
	}),
	FaultDrift: func(*Sim, Fault) func() { return nil },
	FaultRekey: func(s *Sim, f Fault) func() {
		s.Primary().Do(gdoi.CmdRekey{Group: s.cfg.group(), KEK: f.N == 1, ID: 1})
		return nil
	},
	FaultRemove: onNode(func(n *Node, _ Fault) func() {
		n.s.Remove(n)
		return nil
	}),
	FaultReadmit: onNode(func(n *Node, _ Fault) func() {
		n.s.Readmit(n)
		return nil
	}),
	FaultClear: onNode(func(n *Node, _ Fault) func() {
		n.s.Primary().Do(gdoi.CmdClearMember{Group: n.s.cfg.group(), Member: n.Addr.Addr().String(), ID: 1})
		return nil
	}),
	FaultReregister: onNode(func(n *Node, _ Fault) func() {
		n.Do(gdoi.CmdReregister{Group: n.s.cfg.group()})
		return nil
	}),
	FaultHandover: func(s *Sim, f Fault) func() {
		to := ""
		if n := s.Node(f.Node); n != nil {
			to = n.Addr.Addr().String()
		}
		s.Primary().Do(gdoi.CmdHandover{Group: s.cfg.group(), To: to, ID: 1})
		return nil
	},
}

func onNode(do func(n *Node, f Fault) func()) func(*Sim, Fault) func() {
	return func(s *Sim, f Fault) func() {
		if n := s.Node(f.Node); n != nil {
			return do(n, f)
		}
		return nil
	}
}

// onToken is onNode for those that have a token.
func onToken(do func(n *Node, f Fault) func()) func(*Sim, Fault) func() {
	one := onNode(func(n *Node, f Fault) func() {
		if n.token == nil {
			return nil
		}
		return do(n, f)
	})
	return func(s *Sim, f Fault) func() {
		if f.Node != everyKS {
			return one(s, f)
		}
		var ends []func()
		for _, n := range s.KeyServers() {
			f.Node = n.Name
			if end := one(s, f); end != nil {
				ends = append(ends, end)
			}
		}
		return func() {
			for _, end := range ends {
				end()
			}
		}
	}
}

// Inflict puts faults into the run; to be called before it begins.
func (s *Sim) Inflict(faults []Fault) {
	for _, f := range faults {
		if n := s.Node(f.Node); n != nil && f.Kind == FaultDrift {
			n.Skew(int64(f.N))
		}
		if f.At == 0 && f.Kind == FaultWall {
			actions[f.Kind](s, f) // before the node starts
			continue
		}
		s.After(f.At, func() {
			s.log(Entry{Kind: "fault", Text: f.String()})
			s.disturbed()
			end := actions[f.Kind](s, f)
			if end == nil || f.For <= 0 {
				return
			}
			s.After(f.For, func() {
				s.log(Entry{Kind: "fault", Text: "end of " + f.String()})
				s.disturbed()
				end()
			})
		})
	}
}

// primaryName names whoever is primary at that moment.
const primaryName = "primary"

// Node finds a node by its name; nil if there is none.
func (s *Sim) Node(name string) *Node {
	if name == primaryName {
		return s.Primary()
	}
	for _, n := range s.all() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// all nodes: key servers, then members.
func (s *Sim) all() []*Node { return slices.Concat(s.KeyServers(), s.Members()) }
