package sourcetest

import (
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// windows are what member i keeps of the senders of a group of four under the TEK that all send with: gm3 is silent, of gm4
// packets were lost, and somebody has registered again, so that its former sender id is still heard of.
func windows(i int) (out []control.Sender) {
	for _, s := range []control.Sender{
		{SID: 1, Top: 41_202, Missing: 0, Picture: "88888888888888888888888888888888"},
		{SID: 2, Top: 39_887, Missing: 3, Picture: "88888888888888888888888888888876"},
		{SID: 4, Top: 8_120, Missing: 301, Picture: "88888880000000065678888812888888", Heard: Now.Add(-42 * time.Second)},
		{SID: 3, Top: 310, Missing: 2, Picture: "----------------------7888888888", Heard: Now.Add(-61 * time.Second)},
		{SID: 9, Top: 12, Missing: 0, Picture: "-------------------------------8", Heard: Now.Add(-66 * time.Second)},
	} {
		if int(s.SID) == i {
			continue // nobody hears itself
		}
		if s.Heard.IsZero() {
			s.Heard = Now
		}
		s.Window = 1024
		out = append(out, s)
	}
	return out
}

// traffic gives a member counters, windows and what they were for a while.
func traffic(n *source.Node, i int) {
	gm := n.Snap.GM
	n.Drops = []float64{0, 0, 0, float64(i), 0, 0, 0, 0}
	n.In = []float64{80, 100, 95, 100, 120, 100, 100, 100}
	n.Keys = map[string]source.Series{
		source.KeyName("blue", "5ca1ab1e"): {In: n.In, Out: n.Out}, source.KeyName("blue", "c0ffee42"): {In: []float64{0, 0, 0}, Out: []float64{0, 0, 0}},
	}
	for k := range gm.Groups[0].TEKs {
		if t := &gm.Groups[0].TEKs[k]; t.Phase == control.PhaseSending {
			t.InPackets, t.InBytes, t.OutPackets, t.OutBytes = 61_240, 52_200_400, 20_100, 9_800_300
			t.Senders, t.PacketsLeft = windows(i), 1<<32-20_101
			t.SenderCount = len(t.Senders)
		}
	}
	gm.DataPath.Senders = 4
}
