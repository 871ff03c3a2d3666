package check

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mark opens every datagram of the generator. Found inside ESP it proves that nothing was encrypted.
var mark = []byte("getvpn lab: this is in clear ###")

const (
	trafficSize  = 128             // octets of UDP payload
	trafficDrain = 2 * time.Second // how long a packet may be on its way before it counts as lost
	socketBuffer = 8 << 20         // receiving host, should the machine stall
	markHeader   = len("getvpn lab: this is in clear ###") + 4 + 8
)

// Flow is numbered datagrams in one direction. Times are offsets from the start of the Traffic; a received time of 0
// means that the packet has not arrived.
type Flow struct {
	From, To string
	Src, Dst netip.Addr

	heard      func() // nil, or what brings the rest up to now
	mu         sync.Mutex
	sent       []time.Duration
	received   []time.Duration
	duplicates int
	sendErrors int
}

// String names the flow in a report.
func (f *Flow) String() string {
	if f.Dst.Is6() {
		return f.From + ">" + f.To + " (IPv6)"
	}
	return f.From + ">" + f.To
}

// Traffic is a set of flows that run at the same time.
type Traffic struct {
	Start time.Time
	Flows []*Flow

	stop chan struct{}
	once sync.Once
	send sync.WaitGroup
	recv sync.WaitGroup
	rx   []net.PacketConn

	env   *Env
	model *modelled // nil: real packets
}

// listen hears of what has happened until now, where that is not heard of at once.
func (f *Flow) listen() {
	if f.heard != nil {
		f.heard()
	}
}

// bothWays makes the two flows of each pair, between the addresses of the nodes; in a scenario of both families two of each.
func bothWays(e *Env, pairs []Pair) []*Flow {
	var out []*Flow
	for _, p := range pairs {
		for _, of := range []func(string) netip.Addr{e.Scenario.Address, e.Scenario.Address6} {
			if a, b := of(p.A), of(p.B); a.IsValid() && b.IsValid() {
				out = append(out, &Flow{From: p.A, To: p.B, Src: a, Dst: b}, &Flow{From: p.B, To: p.A, Src: b, Dst: a})
			}
		}
	}
	return out
}

// StartTraffic sends rate packets a second in every flow until Stop. The context is that of the run.
func StartTraffic(ctx context.Context, env *Env, flows []*Flow, rate int) (t *Traffic, err error) {
	t = &Traffic{Start: env.now(), Flows: flows, stop: make(chan struct{}), env: env}
	if v, ok := env.virtual(); ok {
		t.model, err = startModelled(ctx, env, v, flows, rate)
		return t, err
	}
	l := env.Lab
	type socket struct{ rx, tx net.PacketConn }
	sockets := make([]socket, len(flows))
	for i, f := range flows {
		for _, side := range []struct {
			node string
			addr netip.Addr
			conn *net.PacketConn
		}{{f.To, f.Dst, &sockets[i].rx}, {f.From, f.Src, &sockets[i].tx}} {
			err := l.Inside(side.node, func() (err error) {
				*side.conn, err = net.ListenPacket("udp", netip.AddrPortFrom(side.addr, 0).String())
				if err == nil && f.Dst.IsMulticast() {
					err = multicast(*side.conn, f.Dst, side.addr == f.Dst)
				}
				return err
			})
			if err == nil {
				t.rx = append(t.rx, *side.conn) // both kinds are closed at the end
				err = enlarge(*side.conn)
			}
			if err != nil {
				t.closeAll()
				return nil, fmt.Errorf("traffic %s: %w", f, err)
			}
		}
	}
	t.Start = time.Now()
	for i, f := range flows {
		t.recv.Add(1)
		go t.receive(f, uint32(i), sockets[i].rx) //nolint:gosec // a small index
		t.send.Add(1)
		go t.transmit(f, uint32(i), sockets[i].tx, f.to(sockets[i].rx), rate) //nolint:gosec // a small index
	}
	return t, nil
}

// to is where the flow's packets go: for multicast the socket that receives them is bound to no address.
func (f *Flow) to(rx net.PacketConn) net.Addr {
	at := rx.LocalAddr().(*net.UDPAddr)
	if f.Dst.IsMulticast() {
		return &net.UDPAddr{IP: f.Dst.AsSlice(), Port: at.Port}
	}
	return at
}

// multicast joins a group, on the interface that the routes say, or lets packets to it travel through routers.
func multicast(c net.PacketConn, group netip.Addr, join bool) error {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var opt error
	err = raw.Control(func(fd uintptr) {
		if join {
			opt = unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: group.As4()})
		} else {
			opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 16)
		}
	})
	return errors.Join(err, opt)
}

func enlarge(c net.PacketConn) error {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var opt error
	err = raw.Control(func(fd uintptr) {
		opt = receiveBuffer(int(fd), socketBuffer)
	})
	return errors.Join(err, opt)
}

// transmit keeps an absolute timetable, so that a stall of the machine delays packets but does not thin them out.
func (t *Traffic) transmit(f *Flow, id uint32, tx net.PacketConn, to net.Addr, rate int) {
	defer t.send.Done()
	step := time.Second / time.Duration(rate)
	buf := make([]byte, trafficSize)
	copy(buf, mark)
	binary.BigEndian.PutUint32(buf[len(mark):], id)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		timer.Reset(time.Until(t.Start.Add(time.Duration(n) * step)))
		select {
		case <-t.stop:
			return
		case <-timer.C:
		}
		binary.BigEndian.PutUint64(buf[len(mark)+4:], uint64(n)) //nolint:gosec // counts up from zero
		f.mu.Lock()
		f.sent = append(f.sent, time.Since(t.Start))
		f.received = append(f.received, 0)
		f.mu.Unlock()
		if _, err := tx.WriteTo(buf, to); err != nil {
			f.mu.Lock()
			f.sendErrors++ // the packet stays in the list and counts as lost: the host wanted to send it
			f.mu.Unlock()
		}
	}
}

func (t *Traffic) receive(f *Flow, id uint32, rx net.PacketConn) {
	defer t.recv.Done()
	buf := make([]byte, 2048)
	for {
		n, _, err := rx.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < markHeader || string(buf[:len(mark)]) != string(mark) ||
			binary.BigEndian.Uint32(buf[len(mark):]) != id {
			continue
		}
		seq := binary.BigEndian.Uint64(buf[len(mark)+4:])
		f.mu.Lock()
		switch {
		case seq >= uint64(len(f.received)):
		case f.received[seq] != 0:
			f.duplicates++
		default:
			f.received[seq] = time.Since(t.Start)
		}
		f.mu.Unlock()
	}
}

// Stop ends sending, waits for what is on its way, and closes the sockets.
func (t *Traffic) Stop() {
	t.once.Do(func() {
		if t.model != nil {
			t.model.stop()
			return
		}
		close(t.stop)
		t.send.Wait()
		time.Sleep(trafficDrain)
		t.closeAll()
		t.recv.Wait()
	})
}

func (t *Traffic) closeAll() {
	for _, c := range t.rx {
		_ = c.Close() // a UDP socket has nothing to flush
	}
}

// Since is a moment on the clock of the flows.
func (t *Traffic) Since() time.Duration { return t.env.since(t.Start) }

// Loss is what became of the packets of one flow that were sent in an interval.
type Loss struct {
	Flow       *Flow
	Sent, Lost int
	First      time.Duration // when the first lost packet was sent
	Last       time.Duration // and the last
	Duplicates int           // of the whole flow
}

// Between counts the packets sent at or after from and before to.
func (f *Flow) Between(from, to time.Duration) Loss {
	f.listen()
	f.mu.Lock()
	defer f.mu.Unlock()
	l := Loss{Flow: f, Duplicates: f.duplicates}
	for i, at := range f.sent {
		if at < from || at >= to {
			continue
		}
		l.Sent++
		if f.received[i] == 0 {
			if l.Lost == 0 {
				l.First = at
			}
			l.Lost++
			l.Last = at
		}
	}
	return l
}

// FirstReceived is the arrival of the first packet that was sent at or after a moment, 0 when none has arrived.
func (f *Flow) FirstReceived(sentFrom time.Duration) time.Duration {
	f.listen()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := sort.Search(len(f.sent), func(i int) bool { return f.sent[i] >= sentFrom }); i < len(f.sent); i++ {
		if f.received[i] != 0 {
			return f.received[i]
		}
	}
	return 0
}

// ReceivedAfter counts the packets that arrived at or after a moment.
func (f *Flow) ReceivedAfter(from time.Duration) (n int) {
	f.listen()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, at := range f.received {
		if at != 0 && at >= from {
			n++
		}
	}
	return n
}

// LastReceived is the arrival of the newest packet.
func (f *Flow) LastReceived() (last time.Duration) {
	f.listen()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, at := range f.received {
		last = max(last, at)
	}
	return last
}

// forever ends an interval that has no end.
const forever = time.Duration(1<<63 - 1)

// losses sums flows over an interval, and says which lost something.
func losses(flows []*Flow, from, to time.Duration) (sent, lost, duplicates int, text string) {
	var parts []string
	for _, f := range flows {
		l := f.Between(from, to)
		sent, lost, duplicates = sent+l.Sent, lost+l.Lost, duplicates+l.Duplicates
		if l.Lost > 0 {
			parts = append(parts, fmt.Sprintf("%s lost %d, the first sent at %.2fs, the last at %.2fs", f, l.Lost,
				l.First.Seconds(), l.Last.Seconds()))
		}
	}
	return sent, lost, duplicates, strings.Join(parts, "; ")
}
