package engine_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/spd"
)

// permit is everything of a protocol inside 10/8; 0 is any.
func permit(proto uint8) spd.Rule {
	r := ten
	r.Proto = proto
	return r
}

// install gives a member an SA of blue that sends for a class.
func (m member) install(t testing.TB, n uint32, class int, sid uint32, selectors ...spd.Rule) {
	t.Helper()
	must(t, m.Install(engine.SA{Group: "blue", SPI: spi + n, KeyMat: keymat(byte(n + 1)), SIDBits: 24, SIDs: []uint32{sid}, Selectors: selectors}))
	must(t, m.Activate("blue", class, spi+n))
}

// sentWith is the SPI that a packet leaves under, less spi; -1: it was dropped for the reason, -2: it left in clear.
func (m member) sentWith(b []byte) (int, engine.Reason) {
	r := m.out(b)[0]
	switch r.Action {
	case engine.Send:
		return int(r.Bytes()[23]) - spi&0xff, engine.None
	case engine.Clear:
		return -2, engine.None
	}
	return -1, r.Reason
}

func TestClasses(t *testing.T) {
	m := bare(t, engine.Config{})
	list := []spd.Rule{permit(6), permit(17), {Action: spd.Deny, Proto: 1, Src: ten.Src, Dst: ten.Dst, SrcPorts: spd.AnyPort, DstPorts: spd.AnyPort}, ten}
	m.install(t, 1, 7, 1, permit(6))
	m.install(t, 2, 1_000_000_007, 1, permit(17))
	policy := engine.Policy{Rules: list, Classes: []int{7, 1_000_000_007, 0, 9}, Registered: true}
	must(t, m.SetPolicy("blue", policy))
	expect := func(when string, tcp, udp, icmp, other int) {
		t.Helper()
		for _, row := range []struct {
			proto uint8
			want  int
		}{{6, tcp}, {17, udp}, {1, icmp}, {47, other}} {
			got, reason := m.sentWith(inner(row.proto, 100))
			if got != row.want || got == -1 && reason != engine.NoSA {
				t.Errorf("%s: protocol %d left with %d, %v; want %d", when, row.proto, got, reason, row.want)
			}
		}
	}
	expect("two classes have an SA, one has none", 1, 2, -2, -1)
	m.install(t, 3, 9, 1, ten)
	expect("a third SA", 1, 2, -2, 3)
	must(t, m.Activate("blue", 7, spi+3))
	expect("one SA sends for two classes", 3, 2, -2, 3)
	must(t, m.Retire("blue", spi+2))
	expect("an SA retires", 3, -1, -2, 3)
	if st := m.Stats(); len(st.SAs) != 2 || st.SAs[0].Sending || !st.SAs[1].Sending {
		t.Errorf("%+v", st.SAs)
	}
	// A class that comes back under its number after nothing was left of it is as good as new.
	must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}, Classes: []int{9}, Registered: true}))
	m.install(t, 4, 1_000_000_007, 1, permit(17))
	must(t, m.SetPolicy("blue", policy))
	expect("the class returns", 3, 4, -2, 3)
	must(t, m.Retire("blue", spi+3))
	expect("both classes of an SA lose it", -1, 4, -2, -1)
	policy.ReceiveOnly = true
	must(t, m.SetPolicy("blue", policy))
	expect("receive only", -2, -2, -2, -2)
	policy.Registered = false
	must(t, m.SetPolicy("blue", policy))
	expect("receive only, no keys", -2, -2, -2, -2)
	quiet := bare(t, engine.Config{Groups: []engine.GroupConfig{{Name: "blue", ReceiveOnly: true}}})
	if got, reason := quiet.sentWith(inner(17, 100)); got != -2 {
		t.Errorf("receive only by configuration: %d, %v", got, reason)
	}
	if err := m.SetPolicy("blue", engine.Policy{Rules: list, Classes: []int{1}}); err == nil {
		t.Error("four rules, one class")
	}
}

// TestSelectors: an SA opens only what it is for, though the group permits more.
func TestSelectors(t *testing.T) {
	tx, rx := bare(t, engine.Config{}), bare(t, engine.Config{})
	web := permit(6)
	web.Src, web.DstPorts = netip.MustParsePrefix("10.1.0.0/16"), spd.Ports{Lo: 80, Hi: 80}
	for sid, m := range []member{tx, rx} {
		must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}, Registered: true}))
		if sid == 0 {
			m.install(t, 1, 0, 1)
		} else {
			m.install(t, 1, 0, 2, web)
		}
	}
	tcp := func(src, dst byte, sport, dport byte) []byte {
		return inner(6, 60, func(b []byte) { b[13], b[17], b[20], b[21], b[22], b[23] = src, dst, 0, sport, 0, dport })
	}
	try := func(when string, b []byte, want engine.Reason) {
		t.Helper()
		for range 2 { // the second is answered by the cache
			if r := rx.in(tx.sealed(t, b)); r.Reason != want {
				t.Errorf("%s: %v, want %v", when, r.Reason, want)
			}
		}
	}
	try("as the selector says", tcp(1, 2, 99, 80), engine.None)
	try("the answer", tcp(2, 1, 80, 99), engine.None)
	try("not the port", tcp(1, 2, 99, 81), engine.PolicyMismatch)
	try("not the protocol", inner(17, 60), engine.PolicyMismatch)
	try("not the source", tcp(3, 2, 99, 80), engine.PolicyMismatch)
	// The same SA again, with other selectors: the last word counts.
	must(t, rx.Install(engine.SA{Group: "blue", SPI: spi + 1, KeyMat: keymat(2), SIDBits: 24, Selectors: []spd.Rule{permit(17)}}))
	try("replaced", inner(17, 60), engine.None)
	try("replaced", tcp(1, 2, 99, 80), engine.PolicyMismatch)
	must(t, rx.Install(engine.SA{Group: "blue", SPI: spi + 1, KeyMat: keymat(2), SIDBits: 24}))
	try("as the group", tcp(1, 2, 99, 80), engine.None)
	bad := engine.SA{Group: "blue", SPI: spi + 2, KeyMat: keymat(3), SIDBits: 24, Selectors: []spd.Rule{{Src: ten.Src, Dst: ten.Dst, SrcPorts: spd.AnyPort, DstPorts: spd.AnyPort}}}
	if rx.Install(bad) == nil {
		t.Error("a selector that denies")
	}
}

// TestPolicyChangesUnderTraffic: class and policy change together, again and again; a sender sees the new class with its
// SA or the old one with its own, never a class without one.
func TestPolicyChangesUnderTraffic(t *testing.T) {
	m := bare(t, engine.Config{})
	change := func(n int) {
		m.install(t, uint32(n), n, 1, ten)
		must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{permit(17), ten}, Classes: []int{n, n}, Registered: true}))
	}
	change(0)
	var stop atomic.Bool
	var sent atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			w := m.NewWorker()
			defer w.Close()
			b := inner(17, 100)
			for !stop.Load() {
				if r := w.Outbound(1, []engine.Packet{room(b)}, nil)[0]; r.Action != engine.Send {
					t.Errorf("not sent: %v", r.Reason)
					stop.Store(true)
				}
				sent.Add(1)
			}
		})
	}
	for n := 1; n < 200 || sent.Load() < 1000 && !stop.Load(); n++ {
		change(n)
		must(t, m.Retire("blue", spi+uint32(n)-1)) // at once: who still has the old policy has the old SA too
	}
	stop.Store(true)
	wg.Wait()
}

func BenchmarkManyClasses(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := bare(b, engine.Config{})
			p := engine.Policy{Registered: true}
			for i := range n {
				r := ten
				if i < n-1 {
					r.Dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 100 + byte(i>>8), byte(i), 0}), 24)
				}
				p.Rules, p.Classes = append(p.Rules, r), append(p.Classes, i)
				must(b, m.Install(engine.SA{Group: "blue", SPI: spi + uint32(i), KeyMat: keymat(byte(i)), SIDBits: 24, SIDs: []uint32{1}, Selectors: []spd.Rule{r}}))
				must(b, m.Activate("blue", i, spi+uint32(i)))
			}
			must(b, m.SetPolicy("blue", p))
			plain := inner(17, 64)
			work := room(bytes.Clone(plain))
			batch, out := []engine.Packet{work}, make([]engine.Result, 0, 1)
			b.ReportAllocs()
			for b.Loop() {
				copy(work.Bytes(), plain)
				if out = m.w.Outbound(1, batch, out[:0]); out[0].Action != engine.Send {
					b.Fatal(out[0].Reason)
				}
			}
		})
	}
}
