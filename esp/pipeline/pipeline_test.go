package pipeline_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/pipeline"
	"github.com/getvpn/getvpn/esp/spd"
	"github.com/getvpn/getvpn/esp/tun"
	"github.com/getvpn/getvpn/esp/tun/tuntest"
	"github.com/getvpn/getvpn/esp/wire"
	"github.com/getvpn/getvpn/esp/wire/wiretest"
)

const spi = 0x1000

func newEngine(t testing.TB, sid uint32) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Config{ReplayWindow: 1 << 14, Groups: []engine.GroupConfig{{Name: "blue"}}, Gateway: netip.MustParseAddr("10.1.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	all := netip.MustParsePrefix("0.0.0.0/0")
	inside := netip.MustParsePrefix("10.0.0.0/8")
	rules := []spd.Rule{
		{Action: spd.Deny, Proto: 17, Src: all, Dst: all, SrcPorts: spd.AnyPort, DstPorts: spd.Ports{Lo: 7777, Hi: 7777}},
		{Action: spd.Permit, Src: inside, Dst: inside, SrcPorts: spd.AnyPort, DstPorts: spd.AnyPort},
	}
	if err := errors.Join(
		e.SetPolicy("blue", engine.Policy{Rules: rules, Registered: true}),
		e.Install(engine.SA{Group: "blue", SPI: spi, KeyMat: []byte("0123456789abcdef0123456789abcdefsalt"), SIDBits: 24, SIDs: []uint32{sid}}),
		e.Activate("blue", 0, spi),
	); err != nil {
		t.Fatal(err)
	}
	return e
}

func now() engine.Instant { return 1 }

// udp makes an IPv4 packet of n octets whose payload is its index.
func udp(src, dst string, port uint16, n int, df bool, index uint32) []byte {
	p := make([]byte, n)
	p[0], p[8], p[9] = 0x45, 63, 17
	binary.BigEndian.PutUint16(p[2:], uint16(n))
	if df {
		p[6] = 0x40
	}
	s, d := netip.MustParseAddr(src).As4(), netip.MustParseAddr(dst).As4()
	copy(p[12:], s[:])
	copy(p[16:], d[:])
	binary.BigEndian.PutUint16(p[10:], packet.Checksum(p[:20]))
	binary.BigEndian.PutUint16(p[20:], 1000)
	binary.BigEndian.PutUint16(p[22:], port)
	binary.BigEndian.PutUint16(p[24:], uint16(n-20))
	binary.BigEndian.PutUint32(p[28:], index)
	return p
}

// pair is two members on one WAN.
type pair struct {
	lan  [2]*tuntest.Device
	wan  [2]*wiretest.Conn
	pipe [2]*pipeline.Pipeline
	done chan error
	stop context.CancelFunc
}

func newPair(t testing.TB, tap func([]byte) bool) *pair {
	p := &pair{done: make(chan error, 2)}
	p.wan[0], p.wan[1] = wiretest.Pair(4096, tap)
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	for i := range 2 {
		p.lan[i] = tuntest.New("gv0", 1446, 4096)
		var err error
		p.pipe[i], err = pipeline.New(pipeline.Config{LAN: []tun.Device{p.lan[i]}, WAN: []wire.Conn{p.wan[i]}, Engine: newEngine(t, uint32(i+1)), Now: now})
		if err != nil {
			t.Fatal(err)
		}
		go func() { p.done <- p.pipe[i].Run(ctx) }()
	}
	return p
}

func (p *pair) end(t testing.TB) {
	t.Helper()
	p.stop()
	for range 2 {
		if err := <-p.done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestBothWays(t *testing.T) {
	defer goleak.VerifyNone(t)
	var esp, clear atomic.Int32
	p := newPair(t, func(pkt []byte) bool {
		if pkt[9] == wire.ProtocolESP {
			esp.Add(1)
		} else {
			clear.Add(1)
		}
		return true
	})
	const count = 500
	for i := range uint32(count) {
		p.lan[0].Inject(udp("10.1.0.9", "10.2.0.9", 9, 100+int(i), true, i))
		p.lan[1].Inject(udp("10.2.0.9", "10.1.0.9", 9, 100+int(i), true, i))
	}
	for i := range uint32(count) {
		for side, src := range map[int]string{1: "10.1.0.9", 0: "10.2.0.9"} {
			dst := map[int]string{1: "10.2.0.9", 0: "10.1.0.9"}[side]
			got := p.lan[side].Next(5 * time.Second)
			if want := udp(src, dst, 9, 100+int(i), true, i); !bytes.Equal(got, want) {
				t.Fatalf("side %d packet %d: got %x, want %x", side, i, got, want)
			}
		}
	}
	if esp.Load() != 2*count || clear.Load() != 0 {
		t.Errorf("the WAN saw %d ESP and %d clear packets", esp.Load(), clear.Load())
	}
	p.end(t)
	if s := p.pipe[0].Stats(); s.FromLAN != count || s.ToWAN != count || s.FromWAN != count || s.ToLAN != count {
		t.Errorf("%+v", s)
	}
}

func TestOtherResults(t *testing.T) {
	defer goleak.VerifyNone(t)
	seen := make(chan []byte, 16)
	p := newPair(t, func(pkt []byte) bool { seen <- pkt; return true })

	// Denied: on the WAN octet for octet.
	denied := udp("10.1.0.9", "10.2.0.9", 7777, 200, true, 1)
	p.lan[0].Inject(bytes.Clone(denied))
	if got := <-seen; !bytes.Equal(got, denied) {
		t.Errorf("denied: %x", got)
	}
	// Too big with DF: an ICMP error back to the host, nothing on the WAN.
	p.lan[0].Inject(udp("10.1.0.9", "10.2.0.9", 9, 1500, true, 2))
	if got := p.lan[0].Next(5 * time.Second); len(got) < 28 || got[9] != 1 || got[20] != 3 || got[21] != 4 || binary.BigEndian.Uint16(got[26:]) != 1446 {
		t.Errorf("no fragmentation needed: %x", got)
	}
	// Too big without DF: fragments, each sealed.
	p.lan[0].Inject(udp("10.1.0.9", "10.2.0.9", 9, 4000, false, 3))
	total := 0
	for total < 3980 {
		got := p.lan[1].Next(5 * time.Second)
		if len(got) < 20 || len(got) > 1446 {
			t.Fatalf("fragment of %d octets", len(got))
		}
		total += len(got) - 20
		if pkt := <-seen; pkt[9] != wire.ProtocolESP || binary.BigEndian.Uint16(pkt[6:])&0x3fff != 0 {
			t.Errorf("not sealed, or a fragment outside: %x", pkt[:20])
		}
	}
	// Rubbish from both sides hurts nobody.
	p.lan[0].Inject([]byte{0x45})
	p.lan[0].Inject(bytes.Repeat([]byte{0xff}, 1500))
	forged := udp("10.2.0.9", "10.1.0.9", 0, 120, false, 4)
	forged[9] = wire.ProtocolESP
	if _, err := p.wan[1].WriteBatch([][]byte{forged, forged[:20]}); err != nil {
		t.Fatal(err)
	}
	p.lan[1].Inject(udp("10.2.0.9", "10.1.0.9", 9, 60, false, 5))
	if got := p.lan[0].Next(5 * time.Second); len(got) != 60 {
		t.Errorf("after the rubbish: %x", got)
	}
	p.end(t)
}

// broken is a WAN that fails for good.
type broken struct{ *wiretest.Conn }

var errBroken = errors.New("cable cut")

func (broken) WriteBatch([][]byte) (int, error) { return 0, errBroken }

// mad is a WAN whose driver panics.
type mad struct{ *wiretest.Conn }

func (mad) ReadBatch([][]byte) (int, error) { panic("mad") }

func TestFailureIsReported(t *testing.T) {
	defer goleak.VerifyNone(t)
	fresh := func() *wiretest.Conn { a, _ := wiretest.Pair(1, nil); return a } // Run closes it
	for name, row := range map[string]struct {
		wan  wire.Conn
		want string
	}{
		"wire fails": {broken{fresh()}, "LAN to WAN: cable cut"},
		"panic":      {mad{fresh()}, "WAN to LAN: fault in the data path: mad"},
	} {
		dev := tuntest.New("gv0", 1446, 4)
		p, err := pipeline.New(pipeline.Config{LAN: []tun.Device{dev}, WAN: []wire.Conn{row.wan}, Engine: newEngine(t, 1), Now: now})
		if err != nil {
			t.Fatal(err)
		}
		dev.Inject(udp("10.1.0.9", "10.2.0.9", 9, 100, false, 1))
		if err := p.Run(context.Background()); err == nil || !bytes.Contains([]byte(err.Error()), []byte(row.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The TUN closed under us is a failure too: somebody removed it.
	b, _ := wiretest.Pair(1, nil)
	dev := tuntest.New("gv0", 1446, 4)
	p, err := pipeline.New(pipeline.Config{LAN: []tun.Device{dev}, WAN: []wire.Conn{b}, Engine: newEngine(t, 1), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	_ = dev.Close()
	if err := p.Run(context.Background()); err == nil {
		t.Error("Run returned nil although nobody asked it to stop")
	}
	if _, err := pipeline.New(pipeline.Config{}); err == nil {
		t.Error("an empty configuration was taken")
	}
}

// feed is both sides of a member for the benchmark: the TUN gives the same packet for ever, the wire swallows.
type feed struct {
	*tuntest.Device
	pkt  []byte
	left int
	done chan struct{}
}

func (f *feed) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if f.left <= 0 {
		close(f.done)
		<-make(chan struct{})
	}
	n := min(f.left, len(bufs))
	for i := range n {
		sizes[i] = copy(bufs[i][offset:], f.pkt)
	}
	f.left -= n
	return n, nil
}

type sink struct{ *wiretest.Conn }

func (sink) WriteBatch(pkts [][]byte) (int, error) { return len(pkts), nil }

// BenchmarkOutbound is the way from the LAN to the WAN without system calls: what the pipeline and the engine cost.
func BenchmarkOutbound(b *testing.B) {
	for _, size := range []int{64, 576, 1400} {
		b.Run(map[int]string{64: "64", 576: "576", 1400: "1400"}[size], func(b *testing.B) {
			a, _ := wiretest.Pair(1, nil)
			f := &feed{tuntest.New("gv0", 1446, 1), udp("10.1.0.9", "10.2.0.9", 9, size, true, 0), b.N, make(chan struct{})}
			p, err := pipeline.New(pipeline.Config{LAN: []tun.Device{f}, WAN: []wire.Conn{sink{a}}, Engine: newEngine(b, 1), Now: now})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			go func() { _ = p.Run(context.Background()) }()
			<-f.done
		})
	}
}
