package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/sim"
)

// Server is a live run: it paces it and answers for its nodes. Everything that touches the run is done by one goroutine, that of Serve.
type Server struct {
	name, dir string
	plan      *Plan
	run       *Run
	pace      pace
	trip      *trip // that time is on
	do        chan func()
	ended     chan struct{} // Serve has returned
	nodes     map[string]*front
	changed   chan struct{} // closed, and replaced, when a node may have gone on
	waiting   map[int]chan gdoi.CommandResult
	flows     []*flows
	back      int // how often time was turned back
	lab       string
	created   time.Time
	failed    error // why the run does not go on
	broken    int   // violations that were told
	behind    bool  // the machine is not fast enough for the speed
	self      driver.Process
}

// front is what consoles see of a node.
type front struct {
	journal  *control.Journal
	life     int
	server   *control.Server
	listener *net.UnixListener
}

// NewServer makes a live run of a plan that was staged in dir, the run directory of lab name. ctx may end before it is where it begins.
func NewServer(ctx context.Context, name, dir string, p *Plan) (*Server, error) {
	s := &Server{
		name: name, dir: dir, plan: p, do: make(chan func()), ended: make(chan struct{}), nodes: map[string]*front{}, changed: make(chan struct{}),
		waiting: map[int]chan gdoi.CommandResult{}, created: time.Now().UTC(), pace: newPace(time.Now),
	}
	s.self.PID = os.Getpid()
	_, s.self.Start, _ = driver.Stat(s.self.PID) // without it the process counts as one that has ended, which status shows
	s.run = NewRun(p, s.attach)
	s.run.onAnswer = func(n int, e gdoi.CommandResult) {
		if c := s.waiting[n]; c != nil {
			c <- e
			delete(s.waiting, n)
		}
	}
	// Whoever looks sees all daemons running, as in a lab of another driver.
	if err := s.run.Goto(ctx, max(p.Start, startSpread)); err != nil {
		return nil, err
	}
	s.pace.at(s.run.Now())
	if p.Start > 0 || p.Virtual { // a fork waits for what is to be different
		s.pace.set(0, s.run.Now())
	}
	return s, nil
}

// attach hears what nodes write into their journals. A node begins another one with every life, as a daemon does.
func (s *Server) attach(x *sim.Sim) {
	for _, f := range s.nodes {
		f.close(false)
	}
	s.nodes, s.broken = map[string]*front{}, 0
	for _, n := range x.Nodes() {
		s.nodes[n.Name] = &front{journal: new(control.Journal)}
	}
	x.Journal = func(n *sim.Node, now machine.Now, e machine.Note) {
		if e.Severity > machine.Debug {
			s.front(n).journal.Add(translate.Event(n.Name, now, e))
		}
	}
}

// front is a node's, of its present life.
func (s *Server) front(n *sim.Node) *front {
	f := s.nodes[n.Name]
	if f.life != n.Life() {
		f.close(true)
		f = &front{journal: new(control.Journal), life: n.Life()}
		s.nodes[n.Name] = f
	}
	return f
}

// close ends the socket of a life: its file stays, as after SIGKILL, unless another takes its place.
func (f *front) close(orderly bool) {
	if f.server == nil {
		return
	}
	f.listener.SetUnlinkOnClose(orderly)
	_ = f.listener.Close()
	server := f.server
	f.server = nil
	go func() { // it waits for handlers, which wait for whoever called this
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Close(ctx)
	}()
}

// Serve runs until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	lab, stop, err := s.listenLab()
	if err != nil {
		return err
	}
	defer stop()
	defer close(s.ended)
	defer func() {
		for _, f := range s.nodes {
			f.close(true)
		}
	}()
	go func() { _ = lab() }()
	var tick *time.Timer
	for {
		s.advance()
		if err := s.sync(); err != nil {
			return err
		}
		var timer <-chan time.Time
		if wait, ok := s.wait(); ok {
			if tick == nil {
				tick = time.NewTimer(wait)
			} else {
				tick.Reset(wait)
			}
			timer = tick.C
		}
		select {
		case <-ctx.Done():
			return nil
		case f := <-s.do:
			s.advance()
			f()
		case <-timer:
		}
	}
}

// errEnding is what whoever still waits for an answer gets.
var errEnding = errors.New("the simulator is ending")

// call has the goroutine of Serve do something.
func (s *Server) call(ctx context.Context, f func()) error {
	done := make(chan error, 1)
	select {
	case s.do <- func() {
		err := s.guard(f)
		_ = s.sync() // before the answer: who asked may look at lab.json; what is wrong ends Serve
		done <- err
	}:
		return <-done
	case <-s.ended:
		return errEnding
	case <-ctx.Done():
		return ctx.Err()
	}
}

// guard does what looks at the run. A panic is the answer of whoever asked: a run that broke off in the middle of a step may be in
// any state, and the process must live on, because only it can turn time back to before that.
func (s *Server) guard(f func()) (err error) {
	defer func() {
		r := recover()
		switch {
		case r == nil:
		case s.failed != nil:
			err = fmt.Errorf("this cannot be seen any more, as %w; getvpn-lab time back goes to before that", s.failed)
		default:
			err = fmt.Errorf("the simulator has no answer: %v", r)
		}
	}()
	f()
	return nil
}

// advance brings the run nearer to where somebody sent it, or to where the wall clock wants it.
func (s *Server) advance() {
	if s.trip != nil {
		s.proceed()
		return
	}
	if s.failed != nil || s.pace.speed == 0 {
		return
	}
	there, err := s.step(func() (bool, error) { return s.run.Advance(s.pace.target(), slice) })
	if err != nil {
		return
	}
	if s.behind = !there; !there {
		s.pace.at(s.run.Now())
	}
}

// step does something with the run that may fail, which ends it.
func (s *Server) step(f func() (bool, error)) (there bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the run broke off: %v", r)
		}
		if err != nil {
			s.failed = err
			s.pace.set(0, s.run.Now())
			s.tell("", sim.EventBroken, machine.Error, err.Error())
		}
	}()
	there, err = f()
	for all := s.run.s.Check.Violations(); s.broken < len(all); s.broken++ {
		v := all[s.broken]
		s.tell(v.Node, sim.EventBroken, machine.Error, v.Rule+": "+v.Text)
	}
	return there, err
}

// tell writes an event of the simulator's own into the journal of a node, or of the first key server.
func (s *Server) tell(node, name string, severity machine.Severity, text string) {
	n := s.run.s.KS()
	if node != "" {
		n = s.run.s.Node(node)
	}
	s.front(n).journal.Add(control.Event{Time: s.run.s.Wall(), Node: n.Name, Name: name, Severity: severity.String(), Group: s.run.s.Group(), Text: text})
}

// wait is how long nothing needs to be done; false: until somebody calls.
func (s *Server) wait() (time.Duration, bool) {
	const least, most = 5 * time.Millisecond, time.Second
	if s.trip != nil {
		return 0, true
	}
	if s.failed != nil || s.pace.speed == 0 {
		return 0, false
	}
	if s.behind {
		return 0, true
	}
	at, ok := s.run.s.Next()
	if !ok {
		return most, true
	}
	return min(most, max(least, s.pace.until(at))), true
}

// sync makes sockets and lab.json what the run is. On the way back nobody is there to be asked, so that whoever is told something
// when it ends is told of one moment by all.
func (s *Server) sync() error {
	if s.trip != nil && s.trip.back {
		return nil
	}
	for _, n := range s.run.s.Nodes() {
		f := s.front(n)
		switch {
		case n.Up() && f.server == nil:
			if err := s.open(n, f); err != nil {
				return err
			}
		case !n.Up():
			f.close(s.wanted(n.Name) == driver.WantedStopped)
		}
	}
	return s.writeLab()
}

// writeLab writes lab.json if it has changed.
func (s *Server) writeLab() error {
	var now strings.Builder
	for _, n := range s.run.s.Nodes() {
		fmt.Fprint(&now, n.Name, n.Life(), s.wanted(n.Name))
	}
	for _, f := range s.run.faults {
		fmt.Fprint(&now, f.spec, f.since)
	}
	fmt.Fprint(&now, s.run.lost) // fmt sorts maps
	if now.String() == s.lab {
		return nil
	}
	s.lab = now.String()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.state().Write()
}

// open makes the control socket of a node.
func (s *Server) open(n *sim.Node, f *front) (err error) {
	if f.listener, err = control.Listen(socket(s.dir, n.Name)); err != nil {
		return err
	}
	f.server = control.NewServer(s.handlers(n.Name, n.KeyServing()), f.journal)
	server, listener := f.server, f.listener
	go func() { _ = server.Serve(listener) }()
	return nil
}

// wanted is what the last order wanted of a node.
func (s *Server) wanted(node string) string {
	what, _ := s.wantedSince(node)
	return what
}

// wantedSince is that, and when it was ordered; zero: it runs, or has never run.
func (s *Server) wantedSince(node string) (what string, since time.Time) {
	n := s.run.s.Node(node)
	if n == nil {
		return "", since
	}
	up := n.Up()
	if up && !n.Paused() {
		return driver.WantedRunning, since
	}
	for i := s.run.next - 1; i >= 0; i-- {
		o := &s.plan.Orders[i]
		at := s.plan.Epoch.Add(o.At)
		switch {
		case o.Node != node:
		case o.Verb == VerbPause && up:
			return driver.WantedPaused, at
		case o.Verb == VerbKill && !up:
			return driver.WantedKilled, at
		case o.Verb == VerbStop && !up:
			return driver.WantedStopped, at
		}
	}
	if up {
		return driver.WantedPaused, since
	}
	return driver.WantedStopped, since
}

// state is lab.json.
func (s *Server) state() *driver.State {
	sc := s.plan.scenario
	st := &driver.State{Name: s.name, Scenario: sc.Name, Driver: Name, Dir: s.dir, Created: s.created, Vars: sc.Vars, Seed: sc.Seed, Sabotaged: sc.Sabotaged, Protected: sc.Protected, Faults: []driver.Fault{}, Turned: s.back}
	for i := range sc.Nodes {
		n := &sc.Nodes[i]
		x := driver.NodeState{Name: n.Name, Kind: n.Kind, Outsider: n.Outsider}
		for _, a := range n.Addresses {
			x.Addresses = append(x.Addresses, a.Prefixes()...)
		}
		if r := s.run.s.Node(n.Name); r != nil && (n.Kind == scenario.KindKeyServer || n.Kind == scenario.KindMember) {
			x.Program, x.Socket = "simulated", socket(s.dir, n.Name)
			x.Wanted, x.Since = s.wantedSince(n.Name)
			x.Config = driver.ConfigFile(s.dir, n.Name)
			if r.Up() {
				x.PID, x.PIDStart = s.self.PID, s.self.Start
			}
		}
		st.Nodes = append(st.Nodes, x)
	}
	for _, k := range sc.Links {
		st.Links = append(st.Links, driver.LinkState{A: k.Ends[0].Node, AInterface: k.Ends[0].Interface, B: k.Ends[1].Node, BInterface: k.Ends[1].Interface})
	}
	for _, node := range slices.Sorted(maps.Keys(s.run.lost)) {
		st.Faults = append(st.Faults, driver.Fault{Kind: driver.TokenLost, Spec: node, Since: s.run.lost[node]})
	}
	for _, f := range s.run.faults {
		st.Faults = append(st.Faults, driver.Fault{Kind: "partition", Spec: f.spec, Since: f.since, Until: f.until})
	}
	return st
}
