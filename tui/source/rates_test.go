package source

import (
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// TestRates: rates are those between two snapshots of one process, of the member and of each of its keys.
func TestRates(t *testing.T) {
	began := time.Unix(1000, 0)
	snap := func(second float64, pid int, in, drops uint64, teks ...control.TEK) *control.Snapshot {
		return &control.Snapshot{PID: pid, Time: began.Add(time.Duration(second * float64(time.Second))), GM: &control.GroupMember{
			Groups: []control.GMGroup{{Name: "blue", TEKs: teks}}, DataPath: control.DataPath{InPackets: in, Drops: []control.Counter{{Name: "replay", Count: drops}, {Name: "malformed"}}},
		}}
	}
	tek := func(spi string, out uint64) control.TEK { return control.TEK{SPI: spi, OutPackets: out} }
	n := &Node{}
	var seen [][]float64
	for _, s := range []*control.Snapshot{
		snap(0, 1, 100, 0, tek("a", 10)), snap(2, 1, 300, 4, tek("a", 30)), snap(2.125, 1, 300, 4, tek("a", 30)), // one that came at once says nothing
		snap(3.125, 1, 350, 4, tek("a", 30), tek("b", 50)), snap(5, 2, 5, 0, tek("b", 1)), snap(6, 2, 6, 0, tek("b", 0)),
	} {
		n.rate(s)
		n.Snap = s
		seen = append(seen, n.In)
	}
	if !slices.Equal(n.In, []float64{100, 50, 1}) || !slices.Equal(n.Drops, []float64{2, 0, 0}) {
		t.Errorf("in %v, drops %v", n.In, n.Drops)
	}
	if !slices.Equal(seen[3], []float64{100, 50}) {
		t.Errorf("what was handed out has changed to %v", seen[3])
	}
	if len(n.Keys) != 1 || !slices.Equal(n.Keys["blue/b"].Out, []float64{50, 0}) {
		t.Errorf("keys %v", n.Keys)
	}
	for range 2 * keepRates {
		n.In = push(n.In, 7)
	}
	if len(n.In) != keepRates {
		t.Errorf("%d values are kept", len(n.In))
	}
	if got := Sum([]float64{1, 2, 3}, nil, []float64{10}, []float64{1, 1, 1, 1}); !slices.Equal(got, []float64{1, 2, 3, 14}) {
		t.Errorf("sum %v", got)
	}
}
