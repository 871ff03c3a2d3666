package translate

import (
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestSenders: windows stand at the TEK of their own group.
func TestSenders(t *testing.T) {
	g := &control.GroupMember{Groups: []control.GMGroup{
		{Name: "blue", TEKs: []control.TEK{{SPI: "00000001"}, {SPI: "00000002"}}}, {Name: "red", TEKs: []control.TEK{{SPI: "00000001"}}},
	}}
	now := machine.Now{Mono: machine.Instant(10 * time.Second), Wall: time.Unix(1000, 0)}
	Senders(g, engine.Stats{SAs: []engine.SAStats{{Group: "blue", SPI: 2, Remaining: 99, Senders: 3}}}, []engine.ReplayStats{{Group: "blue", SPI: 2, Senders: []engine.SenderStats{
		{SID: 7, Known: true, Top: 70, Heard: engine.Instant(8 * time.Second), Size: 64, Missing: 2, Parts: []int{-1, 0, 7, 8}},
		{Source: netip.MustParseAddr("10.1.0.1")}, {},
	}}}, now)
	if g.Groups[0].TEKs[0].Senders != nil || g.Groups[1].TEKs[0].Senders != nil {
		t.Error("another TEK has them")
	}
	k := g.Groups[0].TEKs[1]
	if k.PacketsLeft != 99 || k.SenderCount != 3 || len(k.Senders) != 3 {
		t.Fatalf("%+v", k)
	}
	if s := k.Senders[0]; s != (control.Sender{SID: 7, Top: 70, Heard: time.Unix(998, 0), Window: 64, Missing: 2, Picture: "-078"}) {
		t.Errorf("%+v", s)
	}
	if k.Senders[1].Source != "10.1.0.1" || k.Senders[2].Source != "unknown" {
		t.Errorf("%+v", k.Senders)
	}
}
