package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/sim"
)

// Order is what somebody did to a run: a value, so that the run can be played again. At is its time, After the number of events of
// the run that had happened: of several at one instant some may have.
type Order struct {
	At    time.Duration `json:"at"`
	After uint64        `json:"after"`
	Verb  string        `json:"verb"`
	Node  string        `json:"node,omitempty"`
	// Sides are those of a partition, or a certificate that is revoked; For is when it ends by itself, if it does.
	Sides string        `json:"sides,omitempty"`
	For   time.Duration `json:"for,omitempty"`
	// Body is the request of an operator to a daemon, as its control socket takes it.
	Body json.RawMessage `json:"body,omitempty"`
	// Program and Vars are those with which a file is written anew.
	Program string            `json:"program,omitempty"`
	Vars    map[string]string `json:"vars,omitempty"`
}

// String is a line for people.
func (o Order) String() string {
	text := o.Verb
	for _, s := range []string{o.Node, o.Sides, o.Program, string(o.Body)} {
		if s != "" {
			text += " " + s
		}
	}
	for _, k := range slices.Sorted(maps.Keys(o.Vars)) {
		text += " " + k + "=" + o.Vars[k]
	}
	if o.For > 0 {
		text += " for " + o.For.String()
	}
	return text
}

// Verbs of a lab; those of daemons are the names of their requests.
const (
	VerbKill      = "kill"
	VerbStart     = "start"
	VerbStop      = "stop"
	VerbPause     = "pause"
	VerbResume    = "resume"
	VerbWipe      = "wipe"
	VerbPartition = "partition"
	VerbHeal      = "heal"
	VerbConfigure = "configure" // the file of a daemon is written anew
	VerbReload    = "reload"    // SIGHUP
	VerbRevoke    = "revoke"    // a certificate, which Sides names
	VerbLose      = "lose"      // the token of a node
	VerbReturn    = "return"    // it is put back
	VerbForward   = "forward"   // the machine of a member is a router, with its daemon or without
	verbApply     = "apply"     // a daemon's, that lab and daemon carry out together
)

// ErrOrder is an order that makes no sense now; nothing was done.
var ErrOrder = errors.New("nothing was done")

func refusef(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrOrder)
}

// check says why an order cannot be carried out as the run is.
func (r *Run) check(o *Order) error {
	if o.Verb == VerbPartition {
		_, err := r.plan.scenario.ParsePartition(o.Sides)
		return err
	}
	if o.Verb == VerbHeal {
		return nil
	}
	if o.Verb == VerbRevoke {
		return r.plan.scenario.HasCertificate(o.Sides)
	}
	n := r.s.Node(o.Node)
	switch {
	case n == nil && r.plan.scenario.Node(o.Node) == nil:
		return refusef("there is no node %q in this lab; getvpn-lab status lists them", o.Node)
	case n == nil:
		return refusef("node %s has no daemon in the simulator", o.Node)
	}
	switch o.Verb {
	case VerbStart:
		if n.Up() {
			return refusef("%s is already running", o.Node)
		}
		if r.written[o.Node] {
			if _, err := r.read(n); err != nil {
				return refusef("the daemon of %s ended right after its start: %v", o.Node, err)
			}
		}
	case VerbConfigure:
		if _, err := r.configured(o); err != nil {
			return refusef("%v", err)
		}
	case VerbWipe:
		if n.Up() {
			return refusef("the daemon of %s is running; stop it, or kill it, before its state is wiped", o.Node)
		}
	case VerbLose, VerbReturn:
		if !r.plan.scenario.HasHSM(o.Node) {
			return refusef("node %s has no hsm: in the scenario, so it has no token", o.Node)
		}
	case VerbForward:
		if n.KeyServing() {
			return refusef("%s is no member", o.Node)
		}
	case VerbKill, VerbStop, VerbPause, VerbResume, VerbReload, verbApply:
		if !n.Up() {
			return refusef("the daemon of %s is not running", o.Node)
		}
	default:
		if !n.Up() {
			return refusef("the daemon of %s is not running", o.Node)
		}
		_, err := command(o, 1)
		return err
	}
	return nil
}

// carry carries an order out; its number is the id of a command.
func (r *Run) carry(o *Order, id uint64) {
	s := r.s
	n := s.Node(o.Node)
	s.Disturbed()
	switch o.Verb {
	case VerbKill:
		n.Crash()
	case VerbStart:
		r.start(n)
	case VerbStop:
		n.Stop()
	case VerbPause:
		n.Pause()
	case VerbResume:
		n.Resume()
	case VerbWipe:
		n.Erase()
	case VerbPartition:
		r.partition(o)
	case VerbForward:
		n.Forward()
	case VerbLose:
		n.LoseToken()
		r.lost[o.Node] = s.Wall()
	case VerbReturn:
		n.ReturnToken()
		delete(r.lost, o.Node)
	case VerbRevoke:
		r.revoke(o.Sides)
	case VerbHeal:
		s.Heal()
		r.faults = nil
		for _, node := range slices.Sorted(maps.Keys(r.lost)) {
			s.Node(node).ReturnToken()
		}
		clear(r.lost)
	case VerbConfigure:
		text, err := r.configured(o)
		must(err)
		r.write(o.Node, text)
	case VerbReload:
		r.renew(n, id)
		r.reload(n, control.PlanRequest{}, id)
	case verbApply: // reads the file alone
		var q control.PlanRequest
		if len(o.Body) > 0 {
			must(json.Unmarshal(o.Body, &q))
		}
		r.reload(n, q, id)
	default:
		ev, err := command(o, id)
		must(err)
		n.Do(ev)
	}
}

// partition cuts as the network of a lab does.
func (r *Run) partition(o *Order) {
	p, err := r.plan.scenario.ParsePartition(o.Sides)
	must(err)
	end := r.s.Cut(cutPairs(r.plan.scenario, r.s, p), !p.Control)
	f := newFault(p.String(), r.s.Wall(), o.For)
	r.faults = append(r.faults, f)
	if o.For > 0 {
		r.s.After(o.For, func() {
			end()
			r.faults = slices.DeleteFunc(r.faults, func(x *fault) bool { return x == f })
		})
	}
}

// cutPairs are the nodes that a partition separates: those of its two sides, and those between which there is no way any more when the
// links between the sides are cut.
func cutPairs(s *scenario.Scenario, run *sim.Sim, p scenario.Partition) (out [][2]*sim.Node) {
	across := func(a, b string) bool {
		return slices.Contains(p.A, a) && slices.Contains(p.B, b) || slices.Contains(p.A, b) && slices.Contains(p.B, a)
	}
	island := map[string]int{}
	var visit func(node string, n int)
	visit = func(node string, n int) {
		if island[node] != 0 {
			return
		}
		island[node] = n
		for _, k := range s.Links {
			a, b := k.Ends[0].Node, k.Ends[1].Node
			if across(a, b) {
				continue
			}
			if a == node {
				visit(b, n)
			} else if b == node {
				visit(a, n)
			}
		}
	}
	for i, n := range s.Nodes {
		visit(n.Name, i+1)
	}
	nodes := run.Nodes()
	for i, a := range nodes {
		for _, b := range nodes[i+1:] {
			if across(a.Name, b.Name) || island[a.Name] != island[b.Name] {
				out = append(out, [2]*sim.Node{a, b})
			}
		}
	}
	return out
}
