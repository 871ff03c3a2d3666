package pipeline

import "github.com/getvpn/getvpn/esp/engine"

// Errors is where ICMP errors about our ESP packets come from; *wire.Errors is one.
type Errors interface {
	// Read waits for the next, with its IP header; wire.ErrClosed after Close.
	Read(b []byte) (int, error)
	// Send sends an ICMP error to a host; it may be called by several.
	Send(b []byte) error
	Close() error
}

// reply sends ICMP errors to hosts: past the TUN, see wire.Errors, if that can be.
func (p *Pipeline) reply(b []byte, s *side) {
	if p.cfg.Errors == nil {
		s.lan = append(s.lan, b)
		return
	}
	if err := p.cfg.Errors.Send(b); err != nil {
		p.lanRefused.Add(1)
		return
	}
	p.toLAN.Add(1)
}

// routerErrors passes on to hosts what routers of the core say about their packets. They are few: one at a time.
func (p *queue) routerErrors() error {
	s := newSide()
	b := make([]byte, 1<<16)
	w := p.cfg.Engine.NewWorker()
	defer w.Close()
	for {
		n, err := p.cfg.Errors.Read(b)
		if err != nil {
			return unlessClosed(err)
		}
		p.fromRouters.Add(1)
		s.batch[0] = engine.Packet{Buf: b, Len: n}
		s.results = w.Errors(p.cfg.Now(), s.batch[:1], s.results[:0])
		if err := p.deliver(s); err != nil {
			return err
		}
	}
}
