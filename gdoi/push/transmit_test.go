package push

import (
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

func members(n int) []netip.AddrPort {
	ms := make([]netip.AddrPort, n)
	for i := range ms {
		ms[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 848)
	}
	return ms
}

// play runs a transmission to its end and returns who was served, and when.
func play(t *testing.T, x *Transmission) (to []netip.AddrPort, at []time.Duration) {
	t.Helper()
	for steps := 0; ; steps++ {
		when, ok := x.Deadline()
		if !ok {
			return to, at
		}
		if steps > 1000 {
			t.Fatal("it does not end")
		}
		if early := x.Timeout(machine.Now{Mono: when - 1}, nil); len(early) != 0 {
			t.Fatal("sent too early")
		}
		for _, e := range x.Timeout(machine.Now{Mono: when}, nil) {
			s := e.(machine.Send)
			if string(s.Bytes) != "datagram" || s.After != 9 {
				t.Fatalf("sent %+v", s)
			}
			to, at = append(to, s.Remote), append(at, when.Sub(0))
		}
	}
}

func TestTransmission(t *testing.T) {
	local := netip.MustParseAddrPort("10.0.0.1:848")
	for _, c := range []struct {
		name    string
		members int
		offsets []time.Duration
		last    time.Duration
	}{
		{"nobody", 0, []time.Duration{time.Second}, 0},
		{"one, three times", 1, []time.Duration{7 * time.Second, 15 * time.Second}, 15 * time.Second},
		{"paced", 25, nil, 20 * time.Millisecond},
		{"paced, twice", 25, []time.Duration{time.Second}, time.Second + 20*time.Millisecond},
		{"a round that is due before the last has ended", 25, []time.Duration{time.Millisecond}, 50 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			ms := members(c.members)
			x := NewTransmission(machine.Now{}, machine.Locals{First: local}, ms, []byte("datagram"), c.offsets, 9, Pacing{10, 10 * time.Millisecond})
			if x.Pending() != c.members*(1+len(c.offsets)) {
				t.Errorf("%d pending", x.Pending())
			}
			to, at := play(t, x)
			if len(to) != c.members*(1+len(c.offsets)) || !x.Done() || x.Pending() != 0 {
				t.Fatalf("%d sent", len(to))
			}
			for i, m := range to {
				if m != ms[i%len(ms)] {
					t.Fatalf("datagram %d went to %v", i, m)
				}
			}
			if len(at) > 0 && at[len(at)-1] != c.last {
				t.Errorf("the last at %v, want %v", at[len(at)-1], c.last)
			}
		})
	}
}

func TestTransmissionDrop(t *testing.T) {
	ms := members(3)
	for nr, want := range map[int]int{0: 5, 1: 5, 2: 4} {
		x := NewTransmission(machine.Now{}, machine.Locals{First: ms[0]}, ms, []byte("datagram"), []time.Duration{time.Second}, 9, Pacing{2, time.Millisecond})
		sent := len(x.Timeout(machine.Now{}, nil))
		x.Drop(ms[nr])
		to, _ := play(t, x)
		if sent+len(to) != want {
			t.Errorf("without member %d: %d datagrams, want %d", nr, sent+len(to), want)
		}
	}
	x := NewTransmission(machine.Now{}, machine.Locals{First: ms[0]}, ms[:1], []byte("datagram"), nil, 9, Pacing{})
	x.Drop(ms[0])
	x.Drop(ms[1])
	if !x.Done() || x.Pending() != 0 {
		t.Error("nobody is left, and it is not done")
	}
}
