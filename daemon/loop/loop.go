package loop

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm/wipe"
)

// Errors of calls into a loop.
var (
	ErrStopped = errors.New("loop: the daemon is stopping")
	ErrRefused = errors.New("loop: command refused") // what a machine's own text Is
)

// Limits; none is for operators.
const (
	datagramQueue      = 1024 // beyond that the kernel's socket buffer fills, and then it drops
	maxDatagram        = 1<<16 - 1
	defaultSignTimeout = 10 * time.Second
	signWorkers        = 4
)

// Config is what a loop needs. Only Machine is required; an effect without its function fails.
type Config struct {
	Machine machine.Machine
	Clock   Clock // default: the system's
	// Send transmits a datagram; it may drop it, as a network may.
	Send func(local, remote netip.AddrPort, b []byte)
	// Persist writes all records in one transaction, durably.
	Persist func([]machine.Record) error
	// Sign asks the custody.
	Sign        func(context.Context, machine.Sign) ([]byte, error)
	SignTimeout time.Duration // default 10 s
	// Keys asks the custody that keeps KEKs. It may read the call's Data until it returns; the machine owns what it returns.
	Keys       func(context.Context, machine.KeyCall) ([]byte, error)
	KeyTimeout time.Duration // default 10 s
	// Note takes a journal event. Called on the loop's goroutine.
	Note func(machine.Now, machine.Note)
	// Effect takes every other effect. Called on the loop's goroutine, in order.
	Effect func(machine.Now, machine.Effect)
}

// Loop runs one machine.
type Loop struct {
	cfg       Config
	datagrams chan *buffer
	events    chan machine.Event // answers of workers, commands, reports
	calls     chan func(machine.Now)
	stopped   chan struct{} // closed when Run has ended
	pool      sync.Pool
	commands  commands
	writer    writer
	signing   chan struct{} // one token for each signature under way
	prompt    chan struct{} // likewise, of KeyCalls
	ahead     chan struct{}
	effects   machine.Effects
}

// buffer is a datagram on its way to the machine.
type buffer struct {
	local, remote netip.AddrPort
	b             []byte
}

// New returns a loop that Run will run.
func New(cfg Config) *Loop {
	if cfg.Clock == nil {
		cfg.Clock = NewSystemClock()
	}
	if cfg.SignTimeout == 0 {
		cfg.SignTimeout = defaultSignTimeout
	}
	if cfg.KeyTimeout == 0 {
		cfg.KeyTimeout = defaultKeyTimeout
	}
	l := &Loop{
		cfg:       cfg,
		datagrams: make(chan *buffer, datagramQueue),
		events:    make(chan machine.Event),
		calls:     make(chan func(machine.Now)),
		stopped:   make(chan struct{}),
		signing:   make(chan struct{}, signWorkers),
		prompt:    make(chan struct{}, promptWorkers),
		ahead:     make(chan struct{}, aheadWorkers),
	}
	l.pool.New = func() any { return new(buffer) }
	l.writer.init(cfg.Persist)
	return l
}

// Run steps the machine until ctx ends. What was to be persisted by then is persisted, and what waited for that is
// sent, before Run returns.
func (l *Loop) Run(ctx context.Context) {
	var workers sync.WaitGroup
	done := make(chan struct{}) // the writer has written everything
	go func() { l.writer.run(); close(done) }()
	sctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	timer := time.NewTimer(0)
	defer timer.Stop()
	if at, ok := l.cfg.Machine.Deadline(); ok && l.until(at) == 0 {
		l.step(sctx, &workers, machine.Timeout{}) // so that no call sees a machine that has not begun
	}
	for ctx.Err() == nil {
		var wake <-chan time.Time
		if at, ok := l.cfg.Machine.Deadline(); ok {
			timer.Reset(l.until(at))
			wake = timer.C
		}
		select {
		case <-ctx.Done():
		case <-wake:
			if at, ok := l.cfg.Machine.Deadline(); ok && l.until(at) > 0 {
				continue // slept for maxSleep
			}
			l.step(sctx, &workers, machine.Timeout{})
		case d := <-l.datagrams:
			l.step(sctx, &workers, machine.Datagram{Local: d.local, Remote: d.remote, Bytes: d.b})
			l.pool.Put(d)
		case ev := <-l.events:
			l.step(sctx, &workers, ev)
		case f := <-l.calls:
			f(l.cfg.Clock.Now())
		case r := <-l.writer.results:
			l.written(sctx, &workers, r, true)
		}
	}
	close(l.stopped)
	cancel()
	workers.Wait()
	l.writer.close()
	for r := range l.writer.results {
		l.written(sctx, &workers, r, false)
	}
	<-done
}

// maxSleep bounds what a timer oversleeps after the system was suspended: timers stand still then, the clock does not.
const maxSleep = 10 * time.Second

// until compares before it subtracts: "at once" may be the smallest Instant there is.
func (l *Loop) until(at machine.Instant) time.Duration {
	if at <= l.cfg.Clock.Now().Mono {
		return 0
	}
	return min(maxSleep, max(0, l.cfg.Clock.Until(at)))
}

// step gives the machine one event and carries out what it wants.
func (l *Loop) step(ctx context.Context, workers *sync.WaitGroup, ev machine.Event) {
	now := l.cfg.Clock.Now()
	step := func() { l.effects = l.cfg.Machine.Step(now, ev, l.effects[:0]) }
	if a, ok := ev.(machine.KeyDone); ok && len(a.Data) > 0 {
		wipe.After(step) // a KEK may be in it
	} else {
		step()
	}
	for _, e := range l.effects {
		l.carryOut(ctx, workers, now, e)
	}
	clear(l.effects) // so that nothing keeps keys and datagrams alive
}

func (l *Loop) carryOut(ctx context.Context, workers *sync.WaitGroup, now machine.Now, e machine.Effect) {
	switch e := e.(type) {
	case machine.Send:
		if l.writer.hold(e) {
			return
		}
		l.send(e)
	case machine.Persist:
		l.writer.enqueue(e)
	case machine.Sign:
		workers.Go(func() { l.sign(ctx, e) })
	case machine.KeyCall:
		workers.Go(func() { l.keyCall(ctx, e) })
	case machine.Note:
		if l.cfg.Note != nil {
			l.cfg.Note(now, e)
		}
	case gdoi.CommandResult:
		l.commands.answer(e)
	default:
		if l.cfg.Effect != nil {
			l.cfg.Effect(now, e)
		}
	}
}

func (l *Loop) send(s machine.Send) {
	if l.cfg.Send != nil {
		l.cfg.Send(s.Local, s.Remote, s.Bytes)
	}
}

// written releases what waited for persists that are finished, then tells the machine.
func (l *Loop) written(ctx context.Context, workers *sync.WaitGroup, r result, tell bool) {
	for _, id := range r.ids {
		for _, s := range l.writer.release(id, r.err) {
			l.send(s)
		}
		if tell {
			l.step(ctx, workers, machine.Persisted{ID: id, Err: r.err})
		}
	}
}

// sign runs in a worker.
func (l *Loop) sign(ctx context.Context, s machine.Sign) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.SignTimeout)
	defer cancel()
	answer := machine.Signed{ID: s.ID, Err: context.DeadlineExceeded}
	select {
	case l.signing <- struct{}{}:
		got := make(chan machine.Signed, 1)
		go func() { // of its own: a token that hangs must not hold up the answer
			defer func() { <-l.signing }()
			got <- l.callSign(ctx, s)
		}()
		select {
		case answer = <-got:
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
	select {
	case l.events <- answer:
	case <-l.stopped:
	}
}

func (l *Loop) callSign(ctx context.Context, s machine.Sign) machine.Signed {
	if l.cfg.Sign == nil {
		return machine.Signed{ID: s.ID, Err: errors.New("loop: no key custody is configured")}
	}
	sig, err := l.cfg.Sign(ctx, s)
	return machine.Signed{ID: s.ID, Signature: sig, Err: err}
}

// Deliver copies a datagram and queues it; it waits while the queue is full. Too long a datagram is cut, which the
// machine counts as malformed.
func (l *Loop) Deliver(local, remote netip.AddrPort, b []byte) {
	d := l.pool.Get().(*buffer)
	d.local, d.remote = local, remote
	d.b = append(d.b[:0], b[:min(len(b), maxDatagram)]...)
	select {
	case l.datagrams <- d:
	case <-l.stopped:
	}
}

// Post queues an event.
func (l *Loop) Post(ctx context.Context, ev machine.Event) error {
	select {
	case l.events <- ev:
		return nil
	case <-l.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Do runs f on the loop's goroutine, where the machine's methods may be called, and waits for it.
func (l *Loop) Do(ctx context.Context, f func(machine.Now)) error {
	done := make(chan struct{})
	select {
	case l.calls <- func(now machine.Now) { defer close(done); f(now) }:
		<-done
		return nil
	case <-l.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}
