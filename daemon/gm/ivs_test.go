package gm

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/spd"
	"github.com/getvpn/getvpn/gdoi"
)

// TestTheEndOfIVs: with the last tenth of its IVs a member asks for new sender ids; when they are used up it sends nothing
// more under the old ones (RFC 6407 §5.6.4.3), and goes on at once with those of its next registration. No IV comes twice.
func TestTheEndOfIVs(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ten := netip.MustParsePrefix("10.0.0.0/8")
	e, err := engine.New(engine.Config{Groups: []engine.GroupConfig{{Name: "blue", Protect: []netip.Prefix{ten}}}, Gateway: netip.MustParseAddr("10.1.0.254")})
	must(err)
	rule := spd.Rule{Action: spd.Permit, Src: ten, Dst: ten, SrcPorts: spd.AnyPort, DstPorts: spd.AnyPort}
	must(e.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{rule}, Registered: true}))
	const spi = 0xabcd0001
	// 56 bits of sender id leave 8 for the counter: 255 packets.
	sa := engine.SA{Group: "blue", SPI: spi, KeyMat: bytes.Repeat([]byte{1}, 36), SIDBits: 56, SIDs: []uint32{1}}
	must(e.Install(sa))
	must(e.Activate("blue", 0, spi))
	w := e.NewWorker()
	ivs := map[uint64]bool{}
	send := func() engine.Reason {
		inner := make([]byte, 28)
		inner[0], inner[8], inner[9] = 0x45, 63, 17
		binary.BigEndian.PutUint16(inner[2:], 28)
		copy(inner[12:], []byte{10, 1, 0, 1, 10, 2, 0, 1})
		binary.BigEndian.PutUint16(inner[10:], packet.Checksum(inner[:20]))
		buf := make([]byte, esp.Headroom+len(inner)+esp.Tailroom)
		copy(buf[esp.Headroom:], inner)
		r := w.Outbound(1, []engine.Packet{{Buf: buf, Off: esp.Headroom, Len: len(inner)}}, nil)[0]
		if r.Action == engine.Send {
			iv := binary.BigEndian.Uint64(r.Bytes()[28:])
			if ivs[iv] {
				t.Fatalf("IV %x comes a second time", iv)
			}
			ivs[iv] = true
		}
		return r.Reason
	}
	var p probe
	low := []gdoi.DataPlaneReport{{Group: "blue", SPI: spi, Kind: gdoi.SeqLow}}
	for i := range 255 {
		got := p.look(e.Stats(), nil)
		// 25 are left of 255 before packet 230: the report comes when fewer than a tenth are.
		if want := i == 231; (len(got) > 0) != want || want && !slices.Equal(got, low) {
			t.Fatalf("before packet %d the probe says %v", i, got)
		}
		if r := send(); r != engine.None {
			t.Fatalf("packet %d: %v", i, r)
		}
	}
	if r := send(); r != engine.SeqExhausted {
		t.Errorf("packet 256: %v", r)
	}
	sa.SIDs = []uint32{2}
	must(e.Install(sa)) // the next registration
	if r := send(); r != engine.None {
		t.Errorf("after the registration: %v", r)
	}
	if got := p.look(e.Stats(), nil); got != nil {
		t.Errorf("and the probe says %v", got)
	}
}
