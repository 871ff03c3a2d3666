package sim

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func rules(t testing.TB, lines ...string) policy.List {
	t.Helper()
	l, err := policy.ParseList(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// three is a group of three SAs: one shared by its selectors, one with an SPI for each, one that lives longer.
func three(t testing.TB) keyserver.Config {
	g := quick
	g.SAs = []keyserver.SAConfig{
		{Name: "data", Policy: rules(t, "deny udp any eq 848 any eq 848", "permit ip 10.1.0.0/16 10.0.0.0/8", "permit ip 10.2.0.0/16 10.0.0.0/8")},
		{Name: "voice", Policy: rules(t, "permit udp 10.3.0.0/16 10.0.0.0/8", "permit tcp 10.3.0.0/16 10.0.0.0/8"), TEK: suite.ESPAES128GCM16, PerSelector: true, Lifetime: 45 * time.Second},
		{Name: "rest", Policy: rules(t, "deny icmp any any", "permit ip 10.4.0.0/14 10.0.0.0/8"), Lifetime: 150 * time.Second},
	}
	return g
}

// flows are one packet for each rule of three, and some for what none permits.
func flows() (out []policy.Packet) {
	for _, f := range []struct {
		src      byte
		proto    uint8
		src1, to uint16
	}{{1, 17, 848, 848}, {1, 6, 1, 2}, {2, 17, 1, 2}, {3, 17, 1, 2}, {3, 6, 1, 2}, {3, 1, 0, 0}, {4, 1, 0, 0}, {5, 6, 1, 2}, {6, 17, 1, 2}, {9, 6, 1, 2}} {
		out = append(out, policy.Packet{
			Src: netip.AddrFrom4([4]byte{10, f.src, 0, 1}), Dst: netip.MustParseAddr("10.8.0.1"), Proto: f.proto, SrcPort: f.src1, DstPort: f.to,
		})
	}
	return out
}

func wantNoLoss(t *testing.T, s *Sim) {
	t.Helper()
	wantLossless(t, s)
	if lost := s.Check.Lost(); lost != "" {
		t.Error("the first loss: ", lost)
	}
}

// TestThreeSAs: SAs roll over at their own times; datagrams get lost, nothing else does.
func TestThreeSAs(t *testing.T) {
	for seed := range uint64(5) {
		s := New(Config{Seed: seed, Members: 5, Group: three(t), Network: wan, StartSpread: 3 * time.Second, Flows: flows()})
		s.Run(20 * time.Minute)
		want(t, s)
		wantAll(t, s)
		wantNoLoss(t, s)
		// Each chain is replaced 4A = 20 s before its end, at the latest.
		if n := s.Stats().Notes[gdoi.NoteTEKCreated]; n < 30+2*48+9 {
			t.Errorf("%d TEKs; want at least 30 of data, 48 of each selector of voice, 9 of rest", n)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestThreeSAsAndRestarts: the key server is away at every moment of the rollovers, and members restart.
func TestThreeSAsAndRestarts(t *testing.T) {
	for second := 15; second < 75; second++ {
		s := New(Config{Seed: uint64(second), Members: 4, Group: three(t), Network: clean, Flows: flows()})
		s.After(time.Duration(second)*time.Second, s.KS().Crash)
		s.After(time.Duration(second)*time.Second+500*time.Millisecond, s.KS().Start)
		s.After(time.Duration(second+40)*time.Second, s.GM(1).Crash)
		s.After(time.Duration(second+42)*time.Second, s.GM(1).Start)
		s.Run(3 * time.Minute)
		want(t, s)
		wantAll(t, s)
		wantNoLoss(t, s)
		if t.Failed() {
			t.Fatalf("crash at second %d", second)
		}
	}
}
