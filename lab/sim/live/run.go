package live

import (
	"context"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/lab/sim"
)

// Run is a run that is driven by hand. It can go back: it is played again, from the beginning, with the orders of before, which is
// exact because nothing else has a say. Not safe for concurrent use.
type Run struct {
	plan   *Plan
	attach func(*sim.Sim) // called for every simulation that takes the place of another
	s      *sim.Sim
	next   int // of the plan's orders
	faults []*fault
	marks  []mark
	// written are the nodes whose files are not those of the beginning, and changes the reloads that are under way, by the id of their
	// commands.
	written map[string]bool
	lost    map[string]time.Time // since when tokens are not there
	revoked bool                 // a revocation list is not that of the beginning
	changes map[uint64]*change
	// onAnswer, if set, is told what a daemon says to an order, by its number, from 1.
	onAnswer func(order int, e gdoi.CommandResult)
}

// fault is what lab.json says of one, by the calendar of the run, as everything that its daemons say.
type fault struct {
	spec  string
	since time.Time
	until *time.Time // nil: somebody has to heal it
}

func newFault(spec string, since time.Time, d time.Duration) *fault {
	f := &fault{spec: spec, since: since}
	if d > 0 {
		until := since.Add(d)
		f.until = &until
	}
	return f
}

// mark is the trace hash after a number of events: playing again must give the same.
type mark struct {
	done uint64
	hash [32]byte
}

// markEvery is how many events there are between two marks.
const markEvery = 1 << 12

// errOther says that playing again has given another run. That would be a fault of the simulator.
type errOther struct{ at time.Duration }

func (e errOther) Error() string {
	return fmt.Sprintf("played again, the run is another one before %v: that is a fault of the simulator", e.at)
}

// NewRun begins a run at 0. attach is called with the simulation, and again with each that takes its place.
func NewRun(p *Plan, attach func(*sim.Sim)) *Run {
	r := &Run{plan: p, attach: attach}
	r.begin()
	return r
}

func (r *Run) begin() {
	r.next, r.faults, r.changes, r.lost = 0, nil, map[uint64]*change{}, map[string]time.Time{}
	r.forgetFiles()
	r.s = sim.New(r.plan.config)
	r.s.Answer = r.answer
	if c := r.plan.chat; c.rate > 0 {
		r.s.Chat(c.rate, c.packet)
	}
	if r.attach != nil {
		r.attach(r.s)
	}
	r.s.Traffic(time.Second)
}

// answer hears what a daemon says to a command.
func (r *Run) answer(node *sim.Node, e gdoi.CommandResult) {
	r.changed(node, e)
	n := int(e.ID) - int(orderID(0))
	if n < 1 || n > len(r.plan.Orders) {
		return
	}
	if e.Err == "" {
		r.excuse(&r.plan.Orders[n-1])
	}
	if r.onAnswer != nil {
		r.onAnswer(n, e)
	}
}

// Sim is the simulation of now.
func (r *Run) Sim() *sim.Sim { return r.s }

// Now is the time of the run.
func (r *Run) Now() time.Duration { return r.s.Now() }

// Ahead counts orders that were given later than now, before the run went back: they are carried out again, unless another is given.
func (r *Run) Ahead() int { return len(r.plan.Orders) - r.next }

// Advance goes on until a time, with at most so many events, and says whether it got there.
func (r *Run) Advance(until time.Duration, most uint64) (bool, error) {
	for {
		stop, before := until, r.s.Done()
		chunk := min(most, markEvery-before%markEvery)
		if r.next < len(r.plan.Orders) {
			o := &r.plan.Orders[r.next]
			switch {
			case before > o.After:
				return false, errOther{o.At}
			case before == o.After && o.At <= until:
				r.s.Advance(o.At, 0) // the time between two events at which it was given
				r.next++
				r.carry(o, orderID(r.next))
				continue
			}
			stop, chunk = min(stop, o.At), min(chunk, o.After-before)
		}
		there := r.s.Advance(stop, chunk)
		done := r.s.Done() - before
		most -= done
		if err := r.mark(); err != nil {
			return false, err
		}
		switch {
		case there && stop == until && !r.due(until):
			return true, nil
		case there && !r.due(stop), !there && done == 0 && most > 0: // nothing more happens, and the order is for later; or too much
			return false, errOther{r.Now()}
		case !there && most == 0 && !r.due(until):
			return false, nil
		}
	}
}

// due says whether the next order is to be carried out as far as the run has come.
func (r *Run) due(until time.Duration) bool {
	return r.next < len(r.plan.Orders) && r.plan.Orders[r.next].At <= until && r.plan.Orders[r.next].After <= r.s.Done()
}

// orderID is the id of the command that the n-th order is to a daemon; the simulator's own are small.
func orderID(n int) uint64 { return 1<<32 + uint64(n) }

// mark compares the run with what it was, or notes what it is.
func (r *Run) mark() error {
	done := r.s.Done()
	if done == 0 || done%markEvery != 0 {
		return nil
	}
	i, hash := int(done/markEvery)-1, r.s.TraceHash()
	switch {
	case i < len(r.marks) && r.marks[i] != mark{done, hash}:
		return errOther{r.Now()}
	case i == len(r.marks):
		r.marks = append(r.marks, mark{done, hash})
	}
	return nil
}

// StepEvent goes on until something has happened that a trace tells of, or until a time, and says what that was.
func (r *Run) StepEvent(until time.Duration) (string, error) {
	said := ""
	log := r.s.Log
	r.s.Log = func(e sim.Entry) {
		if log != nil {
			log(e)
		}
		if said == "" && e.Kind != "persist" {
			said = e.String()
		}
	}
	s := r.s
	defer func() { s.Log = log }()
	for said == "" && r.Now() < until {
		if _, err := r.Advance(until, 1); err != nil {
			return "", err
		}
	}
	return said, nil
}

// Give carries an order out now, and forgets those of later times. It returns the order's number.
func (r *Run) Give(o Order) (int, error) {
	if err := r.check(&o); err != nil {
		return 0, err
	}
	o.At, o.After = r.Now(), r.s.Done()
	r.plan.Orders = append(r.plan.Orders[:r.next:r.next], o)
	r.marks = r.marks[:min(len(r.marks), int(r.s.Done()/markEvery))]
	r.next++
	n := r.next // what answers at once may find it
	r.carry(&r.plan.Orders[n-1], orderID(n))
	return n, nil
}

// slice is how many events a run goes on before it looks whether somebody wants something: some milliseconds.
const slice = 2000

// Goto goes to a time, back or on. When ctx ends before, it stays where it is.
func (r *Run) Goto(ctx context.Context, at time.Duration) error {
	if at < r.Now() {
		r.begin()
	}
	for {
		there, err := r.Advance(max(at, 0), slice)
		if there || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the run is at %v: %w", r.Now(), ctx.Err())
		}
	}
}
