package engine_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/replay"
	"github.com/getvpn/getvpn/esp/spd"
)

const window = 10 * time.Second

// at tells a member the pseudotime at an instant of its own clock.
func (m member) at(t testing.TB, instant, pseudo time.Duration, demand ...uint32) {
	t.Helper()
	must(t, m.SetTime("blue", &replay.Time{At: int64(instant), Base: pseudo, Window: window}, demand))
}

func (m member) sendAt(t testing.TB, now time.Duration, b []byte) []byte {
	t.Helper()
	r := m.w.Outbound(engine.Instant(now), []engine.Packet{room(b)}, nil)
	if len(r) != 1 || r[0].Action != engine.Send {
		t.Fatalf("not sent: %+v", r)
	}
	return bytes.Clone(r[0].Bytes())
}

func (m member) reason(now time.Duration, b []byte) engine.Reason {
	return m.w.Inbound(engine.Instant(now), []engine.Packet{{Buf: bytes.Clone(b), Len: len(b)}}, nil)[0].Reason
}

// TestTimeWindow: with every suite what is recorded passes a receiver with empty windows as long as the window is, and not
// a moment longer.
func TestTimeWindow(t *testing.T) {
	for _, s := range esp.Suites() {
		t.Run(s.String(), func(t *testing.T) {
			a, b := suiteMember(t, s, 1), suiteMember(t, s, 2)
			free := a.InnerMTU()
			// Clocks of different origins, one time.
			a.at(t, 0, time.Hour)
			b.at(t, 100*time.Second, time.Hour-time.Minute)
			const b0 = 160 * time.Second // is 0 on a's clock
			if s.SealedLen(a.InnerMTU()+esp.StampLen)+20 > 1500 || a.InnerMTU() < free-esp.StampLen {
				t.Fatalf("inner MTU %d, without stamps %d", a.InnerMTU(), free)
			}
			for n := a.InnerMTU() - 9; n <= a.InnerMTU(); n++ {
				p := inner(17, n, df)
				now := time.Duration(n) * time.Second
				sealed := a.sendAt(t, now, p)
				if len(sealed) > 1500 {
					t.Fatal(len(sealed))
				}
				r := b.w.Inbound(engine.Instant(b0+now+window), []engine.Packet{{Buf: bytes.Clone(sealed), Len: len(sealed)}}, nil)[0]
				if r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), p) {
					t.Fatalf("%d octets: %+v", n, r)
				}
				if r := b.reason(b0+now+window, sealed); r != engine.Replay {
					t.Fatal(r)
				}
			}
			now := 2000 * time.Second
			sealed := a.sendAt(t, now, inner(17, 100))
			for _, row := range []struct {
				age  time.Duration
				want engine.Reason
			}{{window + 2*time.Millisecond, engine.TimeReplay}, {time.Hour, engine.TimeReplay}, {-window - 2*time.Millisecond, engine.TimeReplay}, {-window, engine.None}, {0, engine.Replay}} {
				if r := b.reason(b0+now+row.age, sealed); r != row.want {
					t.Fatalf("age %v: %v, want %v", row.age, r, row.want)
				}
			}
			st := b.TimeStats(engine.Instant(b0))[0]
			if !st.On || st.Window != window || st.Now != time.Hour || st.In != 11 || st.Stale != 3 || st.Unstamped != 0 || st.MaxDelta != window || len(st.Recent) != 3 {
				t.Fatalf("%+v", st)
			}
			if p := st.Recent[0]; p.Source != netip.MustParseAddr("10.1.0.1") || p.SPI != spi || p.Age != window+2*time.Millisecond || p.Mine-p.Age != time.Hour+now {
				t.Fatalf("%+v", p)
			}
			if out := a.TimeStats(0)[0]; out.Out != 11 {
				t.Fatalf("%+v", out)
			}
		})
	}
}

// TestRestartedReceiver: what was recorded before it had the key is not let in, though the window reaches further back;
// but what was under way, and a late joiner's first packets, are.
func TestRestartedReceiver(t *testing.T) {
	a := newMember(t, 1, engine.Config{})
	a.at(t, 0, time.Hour)
	var recorded [][]byte
	for i := range 100 {
		recorded = append(recorded, a.sendAt(t, time.Duration(i)*50*time.Millisecond, inner(17, 100)))
	}
	b := newMember(t, 2, engine.Config{})
	b.at(t, 5*time.Second, time.Hour+5*time.Second)
	dropped := 0
	for _, p := range recorded {
		if b.reason(5*time.Second, p) == engine.TimeReplay {
			dropped++
		}
	}
	if dropped != 90 { // the last half second passes
		t.Fatalf("%d of 100 are dropped", dropped)
	}
	if r := b.reason(5*time.Second, a.sendAt(t, 4900*time.Millisecond, inner(17, 100))); r != engine.None {
		t.Fatal(r)
	}
	// A key that comes later has a floor of its own; one that is installed again keeps its.
	must(t, b.Install(engine.SA{Group: "blue", SPI: spi, KeyMat: keymat(1), SIDBits: 24, SIDs: []uint32{3}}))
	b.at(t, time.Minute, time.Hour+time.Minute)
	if r := b.reason(time.Minute, a.sendAt(t, 52*time.Second, inner(17, 100))); r != engine.None {
		t.Fatal(r)
	}
}

// TestDemand: under an SA all of whose senders stamp, what has no stamp is not let in; under others it is.
func TestDemand(t *testing.T) {
	a, b := newMember(t, 1, engine.Config{}), newMember(t, 2, engine.Config{})
	b.at(t, 0, time.Hour)
	if r := b.reason(0, a.sendAt(t, 0, inner(17, 100))); r != engine.None {
		t.Fatal(r)
	}
	b.at(t, 0, time.Hour, spi)
	if r := b.reason(0, a.sendAt(t, 0, inner(17, 100))); r != engine.Unstamped {
		t.Fatal(r)
	}
	a.at(t, 0, time.Hour)
	if r := b.reason(0, a.sendAt(t, 0, inner(17, 100))); r != engine.None {
		t.Fatal(r)
	}
	must(t, a.SetTime("blue", nil, nil))
	must(t, b.SetTime("blue", nil, nil))
	if r := b.reason(0, a.sendAt(t, 0, inner(17, 100))); r != engine.None {
		t.Fatal(r)
	}
	// Stamps, but nobody judges: the time is about to end.
	a.at(t, 0, 2*time.Hour)
	must(t, b.SetTime("blue", &replay.Time{Base: time.Hour}, []uint32{spi}))
	if r := b.reason(0, a.sendAt(t, 0, inner(17, 100))); r != engine.None {
		t.Fatal(r)
	}
	if err := b.SetTime("red", nil, nil); err == nil {
		t.Error("an unknown group")
	}
	if err := b.SetTime("blue", &replay.Time{Window: -1}, nil); err == nil {
		t.Error("a negative window")
	}
}

// TestTimeBeforeKey: a key that comes after the time, as at every registration, is guarded from its first packet on.
func TestTimeBeforeKey(t *testing.T) {
	a := newMember(t, 1, engine.Config{})
	bare1 := a.sendAt(t, 0, inner(17, 100))
	a.at(t, 0, time.Hour)
	old, fresh := a.sendAt(t, 3*time.Second, inner(17, 100)), a.sendAt(t, 4*time.Second, inner(17, 100))
	b := bare(t, engine.Config{})
	must(t, b.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}, Registered: true}))
	b.at(t, 4*time.Second, time.Hour+4*time.Second, spi)
	must(t, b.Install(engine.SA{Group: "blue", SPI: spi, KeyMat: keymat(1), SIDBits: 24, SIDs: []uint32{2}}))
	for _, row := range []struct {
		p    []byte
		want engine.Reason
	}{{old, engine.TimeReplay}, {bare1, engine.Unstamped}, {fresh, engine.None}} {
		if r := b.reason(4*time.Second, row.p); r != row.want {
			t.Errorf("%v, want %v", r, row.want)
		}
	}
}

// TestRecentDropsAreFew: however many are dropped, ten a minute are kept, and none of it allocates.
func TestRecentDropsAreFew(t *testing.T) {
	a, b := newMember(t, 1, engine.Config{}), newMember(t, 2, engine.Config{})
	a.at(t, 0, time.Hour)
	b.at(t, 0, 2*time.Hour)
	old := a.sendAt(t, 0, inner(17, 100))
	work := engine.Packet{Buf: bytes.Clone(old), Len: len(old)}
	batch, out := []engine.Packet{work}, make([]engine.Result, 0, 1)
	if n := testing.AllocsPerRun(1000, func() {
		copy(work.Buf, old)
		out = b.w.Inbound(1, batch, out[:0])
	}); n != 0 || out[0].Reason != engine.TimeReplay {
		t.Fatalf("%v allocations, %v", n, out[0].Reason)
	}
	if n := len(b.TimeStats(0)[0].Recent); n != 10 {
		t.Fatal(n)
	}
	for range 20 {
		b.reason(2*time.Minute, old)
	}
	recent := b.TimeStats(0)[0].Recent
	if len(recent) != 10 || recent[0].At != engine.Instant(2*time.Minute) {
		t.Fatalf("%+v", recent)
	}
	plain := inner(17, 100)
	p := room(bytes.Clone(plain))
	sending := []engine.Packet{p}
	if n := testing.AllocsPerRun(1000, func() {
		copy(p.Bytes(), plain)
		out = a.w.Outbound(1, sending, out[:0])
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
	a.w.Close()
	if st := a.TimeStats(0)[0]; st.Out != 1002 {
		t.Fatalf("%+v", st)
	}
}

// TestTimeWithFragments: each piece has a stamp of its own, and fits.
func TestTimeWithFragments(t *testing.T) {
	a, b := newMember(t, 1, engine.Config{}), newMember(t, 2, engine.Config{})
	a.at(t, 0, time.Hour)
	b.at(t, 0, time.Hour)
	for _, r := range a.w.Outbound(0, []engine.Packet{room(inner(17, 4000))}, nil) {
		if r.Action != engine.Send || r.Len > 1500 {
			t.Fatalf("%+v", r)
		}
		if got := b.reason(0, r.Bytes()); got != engine.None {
			t.Fatal(got)
		}
	}
	if st := b.TimeStats(0)[0]; st.In != 3 {
		t.Fatalf("%+v", st)
	}
}

func BenchmarkTimeWindow(b *testing.B) {
	for name, on := range map[string]bool{"off": false, "on": true} {
		b.Run(name, func(b *testing.B) {
			tx, rx := newMember(b, 1, engine.Config{}), bare(b, engine.Config{})
			must(b, rx.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}, Registered: true}))
			must(b, rx.Install(engine.SA{Group: "blue", SPI: spi, KeyMat: keymat(1), SIDBits: 24, SIDs: []uint32{2}}))
			if on {
				tx.at(b, 0, time.Hour)
				rx.at(b, 0, time.Hour)
			}
			plain := inner(17, 64)
			work := room(bytes.Clone(plain))
			batch, out := []engine.Packet{work}, make([]engine.Result, 0, 1)
			in := make([]engine.Packet, 1)
			b.ReportAllocs()
			for b.Loop() {
				copy(work.Bytes(), plain)
				sealed := tx.w.Outbound(1, batch, out[:0])
				in[0] = sealed[0].Packet
				if r := rx.w.Inbound(1, in, out[:0]); r[0].Action != engine.Deliver {
					b.Fatal(r[0].Reason)
				}
			}
		})
	}
}

// TestTimeOfIPv6: the same for the other version, up to the largest packet.
func TestTimeOfIPv6(t *testing.T) {
	a, b := dual(t, 1, engine.Config{}), dual(t, 2, engine.Config{})
	free := a.InnerMTU6()
	a.at(t, 0, time.Hour)
	b.at(t, 0, time.Hour, spi)
	if got := a.InnerMTU6(); got != free-esp.StampLen {
		t.Fatalf("inner MTU %d, without stamps %d", got, free)
	}
	for n := a.InnerMTU6() - 5; n <= a.InnerMTU6(); n++ {
		sealed := a.sendAt(t, time.Second, inner6(17, n))
		if r := b.reason(time.Second+window+2*time.Millisecond, sealed); r != engine.TimeReplay {
			t.Fatal(r)
		}
		if r := b.reason(time.Second, sealed); r != engine.None || len(sealed) > 1500 {
			t.Fatal(r, len(sealed))
		}
	}
	if p := b.TimeStats(0)[0].Recent[0]; !p.Source.Is6() || p.Source != netip.AddrFrom16([16]byte(inner6(17, 100)[8:24])) {
		t.Fatalf("%+v", p)
	}
}
