package engine_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/spd"
)

func TestTooBig(t *testing.T) {
	a, b := newMember(t, 1, engine.Config{}), newMember(t, 2, engine.Config{})
	big := inner(17, 1447, df)
	r := a.out(big)
	if len(r) != 1 || r[0].Action != engine.Reply || r[0].Reason != engine.TooBig {
		t.Fatalf("%+v", r)
	}
	reply := r[0].Bytes()
	if h, err := packet.Parse(reply); err != nil || h.Proto != 1 || binary.BigEndian.Uint16(reply[26:]) != 1446 || !bytes.Equal(reply[28:56], big[:28]) {
		t.Fatalf("%x", reply)
	}
	whole := inner(17, 4000, func(b []byte) { b[5] = 9 })
	results := a.out(whole)
	if len(results) != 3 {
		t.Fatalf("%d fragments", len(results))
	}
	var payload []byte
	for i, r := range results {
		h, err := packet.Parse(r.Bytes())
		if err != nil || r.Action != engine.Send || h.Fragment() || h.TotalLen > 1500 {
			t.Fatalf("fragment %d: outer %+v", i, h)
		}
		got := b.in(r.Bytes())
		if got.Action != engine.Deliver {
			t.Fatalf("fragment %d: %v", i, got.Reason)
		}
		f, err := packet.Parse(got.Bytes())
		if err != nil || f.Offset != len(payload) || f.MF != (i < 2) {
			t.Fatalf("fragment %d: %+v", i, f)
		}
		payload = append(payload, got.Bytes()[20:]...)
	}
	if !bytes.Equal(payload, whole[20:]) {
		t.Fatal("the fragments are not the packet")
	}
	// A flood of packets that are too big draws no flood of answers.
	replies := 0
	for range 1000 {
		if a.out(big)[0].Action == engine.Reply {
			replies++
		}
	}
	if replies > 60 || a.w.Outbound(1e9, []engine.Packet{room(big)}, nil)[0].Action != engine.Reply {
		t.Fatalf("%d replies at once, or none later", replies)
	}
}

func TestMTUAndMSS(t *testing.T) {
	m := newMember(t, 1, engine.Config{MSS: engine.MSSAuto})
	syn := inner(6, 44, func(b []byte) { b[32], b[33] = 0x60, 2; copy(b[40:], []byte{2, 4, 0x05, 0xb4}) })
	must(t, m.SetMTU(1400))
	if m.InnerMTU() != 1346 {
		t.Fatal(m.InnerMTU())
	}
	far := newMember(t, 2, engine.Config{})
	r := far.in(m.sealed(t, syn))
	if got := binary.BigEndian.Uint16(r.Bytes()[42:]); got != 1306 {
		t.Fatalf("MSS %d", got)
	}
	if m.SetMTU(100) == nil || m.SetMTU(70000) == nil {
		t.Fatal("absurd MTU accepted")
	}
	if r := m.out(inner(17, 1347, df)); r[0].Action != engine.Reply {
		t.Fatalf("%+v", r)
	}
}

// TestTwoGroups: what one group's key protects must be what that group permits.
func TestTwoGroups(t *testing.T) {
	groups := []engine.GroupConfig{{Name: "blue"}, {Name: "red"}}
	web := ten
	web.Proto, web.DstPorts = 6, spd.Ports{Lo: 6000, Hi: 6000}
	build := func(sid uint32) member {
		m := bare(t, engine.Config{Groups: groups})
		must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{web}, Registered: true}))
		must(t, m.SetPolicy("red", engine.Policy{Rules: []spd.Rule{ten}, Registered: true}))
		must(t, m.Install(engine.SA{Group: "blue", SPI: 1000, KeyMat: keymat(1), SIDBits: 24, SIDs: []uint32{sid}}))
		must(t, m.Install(engine.SA{Group: "red", SPI: 2000, KeyMat: keymat(2), SIDBits: 24, SIDs: []uint32{sid}}))
		must(t, m.Activate("blue", 0, 1000))
		must(t, m.Activate("red", 0, 2000))
		return m
	}
	a, b := build(1), build(2)
	for _, row := range []struct {
		proto uint8
		spi   uint32
	}{{6, 1000}, {17, 2000}} {
		s := a.sealed(t, inner(row.proto, 100))
		if got := binary.BigEndian.Uint32(s[20:]); got != row.spi {
			t.Fatalf("protocol %d: SPI %d", row.proto, got)
		}
		if r := b.in(s); r.Action != engine.Deliver {
			t.Fatal(r.Reason)
		}
	}
	if err := a.Activate("blue", 0, 2000); err == nil {
		t.Fatal("one group took the other's SA")
	}
	must(t, a.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}, Registered: true})) // a now sends UDP in blue, which b's blue does not permit
	if r := b.in(a.sealed(t, inner(17, 100))); r.Reason != engine.PolicyMismatch {
		t.Fatal(r.Reason)
	}
}
