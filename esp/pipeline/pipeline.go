package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/tun"
	"github.com/getvpn/getvpn/esp/wire"
)

// Batch is how many packets go through the engine at a time; more gains nothing (reference figures: 64 against 128).
const Batch = 64

// Config is what a Pipeline connects.
type Config struct {
	// LAN and WAN have one of each for every worker: the queues of one TUN and of one WAN. Packets of one flow must come
	// through one queue, or their order is lost: package tun and package wire see to that.
	LAN    []tun.Device
	WAN    []wire.Conn
	Engine *engine.Engine
	Errors Errors // nil: what routers say about our packets is not heard
	// Now is the clock on which the expiry of installed SAs was expressed.
	Now func() engine.Instant
}

// Stats counts what the pipeline itself saw; the reasons of drops are the engine's.
type Stats struct {
	FromLAN     uint64 `json:"from_lan"`     // packets read from the TUN
	ToWAN       uint64 `json:"to_wan"`       // handed to the wire: sealed or clear
	WANRefused  uint64 `json:"wan_refused"`  // that the wire could not send, see wire.Stats
	FromWAN     uint64 `json:"from_wan"`     // ESP packets received
	FromRouters uint64 `json:"from_routers"` // ICMP errors about ESP packets received
	ToLAN       uint64 `json:"to_lan"`       // handed to the TUN: opened packets and ICMP errors
	LANRefused  uint64 `json:"lan_refused"`  // that the TUN did not take
	ReadBatches uint64 `json:"read_batches"` // reads of both sides, to see how well batching works
}

// Pipeline is the data path of one member.
type Pipeline struct {
	cfg Config

	fromLAN, toWAN, wanRefused, fromWAN, toLAN, lanRefused, fromRouters, batches atomic.Uint64
}

// New makes a pipeline; nothing moves before Run.
func New(cfg Config) (*Pipeline, error) {
	if len(cfg.LAN) == 0 || len(cfg.LAN) != len(cfg.WAN) || cfg.Engine == nil || cfg.Now == nil {
		return nil, fmt.Errorf("pipeline: %d queues of the LAN and %d of the WAN; there must be as many of both, an Engine and Now", len(cfg.LAN), len(cfg.WAN))
	}
	return &Pipeline{cfg: cfg}, nil
}

// Run moves packets until ctx ends (then it returns nil) or one side fails (then it returns why). When it returns, LAN,
// WAN and Errors are closed: closing them is what stops the readers.
func (p *Pipeline) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	run := func(name string, f func() error) {
		wg.Go(func() {
			if err := guarded(f); err != nil {
				err = fmt.Errorf("pipeline: %s: %w", name, err)
				cancel(err)
			}
		})
	}
	for i := range p.cfg.LAN {
		q := &queue{Pipeline: p, lan: p.cfg.LAN[i], wan: p.cfg.WAN[i]}
		run("LAN to WAN", q.outbound)
		run("WAN to LAN", q.inbound)
	}
	if p.cfg.Errors != nil {
		run("ICMP errors", (&queue{Pipeline: p, lan: p.cfg.LAN[0], wan: p.cfg.WAN[0]}).routerErrors)
	}
	<-ctx.Done()
	var closing error
	for i := range p.cfg.LAN {
		closing = errors.Join(closing, p.cfg.LAN[i].Close(), p.cfg.WAN[i].Close())
	}
	if p.cfg.Errors != nil {
		closing = errors.Join(closing, p.cfg.Errors.Close())
	}
	wg.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return closing
}

// guarded turns a panic into an error, so that the daemon can tell the operator before it stops, its guard still in place.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fault in the data path: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}

// queue is one worker: a goroutine for each direction.
type queue struct {
	*Pipeline
	lan tun.Device
	wan wire.Conn
}

// side is the arrays of one direction; the packets' memory is the wire's.
type side struct {
	batch   []engine.Packet
	results []engine.Result
	wan     [][]byte // results, by where they go
	lan     [][]byte
}

func newSide() *side {
	return &side{
		batch: make([]engine.Packet, Batch), results: make([]engine.Result, 0, 2*Batch),
		wan: make([][]byte, 0, 2*Batch), lan: make([][]byte, 0, 2*Batch),
	}
}

func (p *queue) outbound() error {
	s := newSide()
	bufs, sizes := make([][]byte, Batch), make([]int, Batch)
	w := p.cfg.Engine.NewWorker()
	defer w.Close()
	for {
		frames := p.wan.Frames(Batch)
		for i, f := range frames {
			bufs[i] = f[:len(f)-esp.Tailroom] // what a read must leave
		}
		n, err := p.lan.Read(bufs[:len(frames)], sizes, esp.Headroom)
		if err != nil {
			return unlessClosed(err)
		}
		p.batches.Add(1)
		p.fromLAN.Add(uint64(n))
		for i := range n {
			s.batch[i] = engine.Packet{Buf: frames[i], Off: esp.Headroom, Len: sizes[i]}
		}
		s.results = w.Outbound(p.cfg.Now(), s.batch[:n], s.results[:0])
		if err := p.deliver(s); err != nil {
			return err
		}
	}
}

func (p *queue) inbound() error {
	s := newSide()
	pkts := make([][]byte, Batch)
	w := p.cfg.Engine.NewWorker()
	defer w.Close()
	for {
		n, err := p.wan.ReadBatch(pkts)
		if err != nil {
			return unlessClosed(err)
		}
		p.batches.Add(1)
		p.fromWAN.Add(uint64(n))
		for i, b := range pkts[:n] {
			s.batch[i] = engine.Packet{Buf: b, Len: len(b)}
		}
		s.results = w.Inbound(p.cfg.Now(), s.batch[:n], s.results[:0])
		if err := p.deliver(s); err != nil {
			return err
		}
	}
}

// deliver sends each result where it belongs.
func (p *queue) deliver(s *side) error {
	s.wan, s.lan = s.wan[:0], s.lan[:0]
	for i := range s.results {
		switch r := &s.results[i]; r.Action {
		case engine.Send, engine.Clear:
			s.wan = append(s.wan, r.Bytes())
		case engine.Deliver:
			s.lan = append(s.lan, r.Bytes())
		case engine.Reply:
			p.reply(r.Bytes(), s)
		case engine.Drop:
		}
	}
	if len(s.wan) > 0 {
		n, err := p.wan.WriteBatch(s.wan)
		p.toWAN.Add(uint64(n))
		if err != nil {
			return unlessClosed(err)
		}
		p.wanRefused.Add(uint64(len(s.wan) - n))
	}
	if len(s.lan) > 0 {
		n, err := p.lan.Write(s.lan, 0)
		p.toLAN.Add(uint64(n))
		if err != nil {
			return unlessClosed(err)
		}
		p.lanRefused.Add(uint64(len(s.lan) - n))
	}
	return nil
}

// Stats returns the counters.
func (p *Pipeline) Stats() Stats {
	return Stats{
		FromLAN: p.fromLAN.Load(), ToWAN: p.toWAN.Load(), WANRefused: p.wanRefused.Load(),
		FromWAN: p.fromWAN.Load(), FromRouters: p.fromRouters.Load(), ToLAN: p.toLAN.Load(), LANRefused: p.lanRefused.Load(), ReadBatches: p.batches.Load(),
	}
}

// errStopped ends a direction whose device was closed; Run knows whether that was meant.
var errStopped = errors.New("closed by someone else")

func unlessClosed(err error) error {
	if errors.Is(err, tun.ErrClosed) || errors.Is(err, wire.ErrClosed) {
		return errStopped
	}
	return err
}
