package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/sim"
)

// FlowsRequest begins flows, ends some, or asks for what has become of their packets.
type FlowsRequest struct {
	Begin []driver.Flow `json:"begin,omitempty"`
	Rate  int           `json:"rate,omitempty"`
	ID    int           `json:"id,omitempty"` // of some that were begun, from 1
	End   bool          `json:"end,omitempty"`
}

// FlowsReply answers it.
type FlowsReply struct {
	ID      int                `json:"id"`
	First   time.Duration      `json:"first"` // when the first packets are sent
	Packets [][]driver.Packets `json:"packets"`
}

// flows are some that were begun together. They are no part of the run, and end when it goes back.
type flows struct {
	run  *sim.Sim
	all  []*sim.Stream
	stop func()
}

// Flows does what the request says.
func (s *Server) Flows(ctx context.Context, q FlowsRequest) (out *FlowsReply, err error) {
	cerr := s.call(ctx, func() {
		switch {
		case len(q.Begin) > 0:
			out, err = s.begin(q)
		case q.ID < 1 || q.ID > len(s.flows) || s.flows[q.ID-1].run != s.run.s:
			err = fmt.Errorf("there are no flows %d", q.ID)
		default:
			f := s.flows[q.ID-1]
			if out = (&FlowsReply{ID: q.ID}); q.End {
				f.stop()
				return
			}
			for _, x := range f.all {
				out.Packets = append(out.Packets, told(x))
			}
		}
	})
	return out, errors.Join(err, cerr)
}

func told(x *sim.Stream) []driver.Packets {
	out := []driver.Packets{}
	for _, p := range x.Tell() {
		out = append(out, driver.Packets{Count: p.Count, Arrived: p.Arrived, Latency: sim.StreamLatency, Left: p.Left, SPI: uint32(p.SPI)})
	}
	return out
}

func (s *Server) begin(q FlowsRequest) (*FlowsReply, error) {
	f := &flows{run: s.run.s}
	for _, d := range q.Begin {
		x := &sim.Stream{From: s.run.s.Node(d.From), To: s.run.s.Node(d.To), Packet: d.Packet}
		if x.From == nil || x.To == nil || x.From.KeyServing() || x.To.KeyServing() {
			return nil, fmt.Errorf("flow %s>%s: there are no such members", d.From, d.To)
		}
		f.all = append(f.all, x)
	}
	if q.Rate < 1 {
		return nil, fmt.Errorf("flows: a rate of %d", q.Rate)
	}
	period := time.Second / time.Duration(q.Rate)
	f.stop = s.run.s.Streams(period, f.all)
	s.flows = append(s.flows, f)
	return &FlowsReply{ID: len(s.flows), First: sim.StreamBegin(period)}, nil
}

// site is the member through which a node sends to others.
func (l *Virtual) site(node string) (string, error) {
	n := l.Scenario().Node(node)
	if n == nil {
		return "", driver.UnknownNode(node)
	}
	if n.Kind == scenario.KindMember {
		return node, nil
	}
	if m := l.Scenario().MemberOf(node); m != "" {
		return m, nil
	}
	return "", driver.NoNetwork("no model of packets of " + node + ", which no member stands before")
}

func (l *Virtual) StartFlows(ctx context.Context, all []driver.Flow, rate int) (id int, first time.Duration, err error) {
	q := FlowsRequest{Rate: rate}
	for _, f := range all {
		if f.Packet.Dst.IsMulticast() {
			return 0, 0, driver.NoNetwork("no model of multicast between hosts")
		}
		if f.From, err = l.site(f.From); err == nil {
			f.To, err = l.site(f.To)
		}
		if err != nil {
			return 0, 0, err
		}
		q.Begin = append(q.Begin, f)
	}
	r, err := ask(ctx, l.name, "flows", q)
	if err != nil {
		return 0, 0, err
	}
	return r.Flows.ID, r.Flows.First, nil
}

func (l *Virtual) FlowsSince(ctx context.Context, id int) ([][]driver.Packets, error) {
	r, err := ask(ctx, l.name, "flows", FlowsRequest{ID: id})
	if err != nil {
		return nil, err
	}
	return r.Flows.Packets, nil
}

func (l *Virtual) StopFlows(ctx context.Context, id int) error {
	_, err := ask(ctx, l.name, "flows", FlowsRequest{ID: id, End: true})
	return err
}
