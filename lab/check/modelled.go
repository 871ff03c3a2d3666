package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// modelled is traffic in a lab of virtual time: packets that nobody makes, of which the lab says what becomes of each.
type modelled struct {
	env   *Env
	lab   driver.Virtual
	id    int
	first time.Duration // of the packets of each flow
	step  time.Duration // from one to the next
	flows []*Flow
	heard time.Time // until when it was heard of
	close func()

	// ctx outlives that of the run by a grace, so that flows can be ended, but not by a lab that does not answer.
	ctx    context.Context
	forget func()
}

// grace is how long a lab may take to answer once somebody has ended the run.
const grace = 2 * time.Second

// outliving is a context that ends a grace after another.
func outliving(ctx context.Context, grace time.Duration) (out context.Context, forget func()) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return out, func() {
		stop()
		cancel()
	}
}

// drain is how long a packet of the model may be on its way.
const drain = 10 * time.Millisecond

func startModelled(ctx context.Context, env *Env, lab driver.Virtual, flows []*Flow, rate int) (*modelled, error) {
	m := &modelled{env: env, lab: lab, step: time.Second / time.Duration(rate), flows: flows}
	var all []driver.Flow
	for _, f := range flows {
		all = append(all, driver.Flow{From: f.From, To: f.To, Packet: m.packet(f)})
		f.heard = m.listen
	}
	var err error
	if m.id, m.first, err = lab.StartFlows(ctx, all, rate); err != nil {
		return nil, fmt.Errorf("traffic: %w", err)
	}
	m.ctx, m.forget = outliving(ctx, grace)
	m.close = env.Capture.hears(m.listen)
	return m, nil
}

// packet is one of a flow: a datagram of the generator.
func (m *modelled) packet(f *Flow) policy.Packet {
	return policy.Packet{Src: f.Src, Dst: f.Dst, Proto: protoUDP, SrcPort: 40000, DstPort: 50000}
}

// stop ends sending, and waits for what is on its way.
func (m *modelled) stop() {
	err := m.lab.StopFlows(m.ctx, m.id)
	if err == nil {
		err = m.env.sleep(m.ctx, drain)
	}
	if err != nil {
		m.env.unheard(err)
	}
	m.listen()
	m.close()
	m.forget()
}

// listen hears what has become of the packets until now.
func (m *modelled) listen() {
	if m.env.now().Equal(m.heard) {
		return
	}
	m.heard = m.env.now()
	all, err := m.lab.FlowsSince(m.ctx, m.id)
	if err == nil && len(all) != len(m.flows) {
		err = fmt.Errorf("%d of %d flows are told of", len(all), len(m.flows))
	}
	if err != nil {
		m.env.unheard(err)
		return
	}
	for i, f := range m.flows {
		for _, p := range all[i] {
			f.add(p, m.first, m.step)
			if p.Left {
				m.see(f, p)
			}
		}
	}
}

// add notes packets that are next in the flow.
func (f *Flow) add(p driver.Packets, first, step time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range p.Count {
		at := first + time.Duration(len(f.sent))*step
		f.sent = append(f.sent, at)
		if at += p.Latency; !p.Arrived {
			at = 0
		}
		f.received = append(f.received, at)
	}
}

// see tells the capture of packets that have left a site.
func (m *modelled) see(f *Flow, p driver.Packets) {
	c := m.packet(f)
	seen := Packet{Time: m.heard, Node: f.From, Src: f.Src, Dst: f.Dst, Proto: c.Proto, SrcPort: c.SrcPort, DstPort: c.DstPort, Len: trafficSize}
	if p.SPI != 0 {
		seen.Proto, seen.SrcPort, seen.DstPort, seen.SPI = protoESP, 0, 0, p.SPI
	}
	m.env.Capture.seen(&seen, uint64(p.Count)) //nolint:gosec // a count
}

// answered says whether the packet of one number has arrived, of both flows of a pair.
func (f *Flow) answered(by *Flow) bool {
	f.listen()
	f.mu.Lock()
	defer f.mu.Unlock()
	by.mu.Lock()
	defer by.mu.Unlock()
	for i := range min(len(f.received), len(by.received)) {
		if f.received[i] != 0 && by.received[i] != 0 {
			return true
		}
	}
	return false
}

// inModel is reach in a lab of virtual time: somebody asks ten times a second, and the other answers.
func (c *reach) inModel(ctx context.Context, env *Env) []scenario.Result {
	flows := bothWays(env, c.Pairs.of(env.Scenario))
	t, err := StartTraffic(ctx, env, flows, 10)
	if err != nil {
		return failed(err)
	}
	defer t.Stop()
	for {
		err := env.sleep(ctx, drain)
		var missing []string
		for i, f := range flows {
			if !f.answered(flows[i^1]) { // bothWays makes them in twos
				missing = append(missing, f.String())
			}
		}
		if len(missing) > 0 && t.Since() < c.Within && err == nil {
			continue
		}
		r := scenario.Result{OK: len(missing) == 0, Value: fmt.Sprintf("%d of %d directions after %.2f s", len(flows)-len(missing), len(flows), t.Since().Seconds()),
			Want: fmt.Sprintf("%d directions within %s", len(flows), c.Within)}
		if !r.OK {
			r.Message = "no answer: " + strings.Join(missing, ", ")
		}
		return []scenario.Result{r}
	}
}
