package link

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

// golden holds the octets of frames: a change here is a change of the protocol, and of frameVersion.
var golden = []struct {
	name string
	f    frame
	hex  string
}{
	{"acknowledgement", frame{kind: kindAck, seq: 1, from: 0x1122334455660000, ack: 1, mono: -2, wall: 0x18860f4b2a000000}, "" +
		"01010000" + "0000000000000001" + "1122334455660000" + "0000000000000000" + "fffffffffffffffe" + "18860f4b2a000000" +
		"0000000000000000" + "0000000000000000" + "0000000000000001" + "0000000000000000"},
	{"data", frame{
		kind: kindData, flags: flagEcho | flagLast, seq: 0x0102, from: 0xaabbccddeeff0001, to: 0x1122334455660003, mono: 5, wall: 6, echo: 7, held: 8,
		ack: 9, more: 0x8000000000000001, segment: 10, body: []byte("key"),
	}, "" +
		"01020003" + "0000000000000102" + "aabbccddeeff0001" + "1122334455660003" + "0000000000000005" + "0000000000000006" +
		"0000000000000007" + "0000000000000008" + "0000000000000009" + "8000000000000001" + "000000000000000a" + "6b6579"},
	{"announcement", frame{kind: kindAnnounce, flags: flagWantReply, seq: 3, from: 1 << 24, to: 2 << 24, ack: 4, body: []byte("hi")}, "" +
		"01030004" + "0000000000000003" + "0000000001000000" + "0000000002000000" + "0000000000000000" + "0000000000000000" +
		"0000000000000000" + "0000000000000000" + "0000000000000004" + "0000000000000000" + "6869"},
}

func TestGolden(t *testing.T) {
	for _, c := range golden {
		if got := hex.EncodeToString(c.f.appendTo(nil)); got != c.hex {
			t.Errorf("%s:\n%s; want\n%s", c.name, got, c.hex)
		}
		b, _ := hex.DecodeString(c.hex)
		f, err := parseFrame(b)
		if err != nil || !bytes.Equal(f.appendTo(nil), b) {
			t.Errorf("%s: %+v %v", c.name, f, err)
		}
	}
}

func TestRefused(t *testing.T) {
	edit := func(i int, at int, v byte) []byte {
		b := golden[i].f.appendTo(nil)
		b[at] = v
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":                  nil,
		"short":                    golden[0].f.appendTo(nil)[:frameLen-1],
		"version":                  edit(0, 0, 2),
		"kind":                     edit(0, 1, 4),
		"kind 0":                   edit(0, 1, 0),
		"high flags":               edit(1, 2, 1),
		"unknown flag":             edit(1, 3, 8),
		"last, but no data":        edit(2, 3, 2),
		"reply, but data":          edit(1, 3, 6),
		"body after ack":           append(golden[0].f.appendTo(nil), 0),
		"data without body":        golden[1].f.appendTo(nil)[:dataFrameLen],
		"echo without the flag":    edit(1, 3, 2),
		"held for a negative time": edit(1, 4+6*8, 0x80),
		"sequence 0":               edit(2, 11, 0),
		"nobody's":                 edit(2, 16, 0),
		"acknowledges nothing":     edit(0, 4+7*8+7, 0),
	} {
		if _, err := parseFrame(b); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// FuzzFrame: what is taken is written back the same.
func FuzzFrame(f *testing.F) {
	for _, c := range golden {
		f.Add(c.f.appendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, err := parseFrame(b); err == nil && !bytes.Equal(x.appendTo(nil), b) {
			t.Errorf("%x is written back as %x", b, x.appendTo(nil))
		}
	})
}

// FuzzPeer: a peer that is authentic and sends nonsense. Nothing panics, what is kept is bounded, timers are in the future,
// and the link still works with a peer that makes sense.
func FuzzPeer(f *testing.F) {
	var seed []byte
	for _, c := range golden {
		b := c.f.appendTo(nil)
		seed = append(append(seed, byte(len(b))), b...)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, script []byte) {
		p := newPath(t, 1).connect("one", 0).run(time.Second)
		p.send(0, "first")
		for len(script) > 1 {
			n := min(int(script[0]), len(script)-1)
			b := bytes.Clone(script[1 : 1+n])
			script = script[1+n:]
			if x, err := parseFrame(b); err == nil {
				if x.segment%3 != 0 {
					x.from, x.to = p.ends[1].self, p.ends[0].self
				}
				b = x.appendTo(nil)
			}
			p.deliver(0, append([]byte("one"), b...))
			p.run(20 * time.Millisecond)
		}
		if n := len(p.ends[0].receiver.early); n > receiveAhead {
			t.Errorf("%d segments are kept", n)
		}
		p.ends[0].Stats(p.ends[0].now(p.at))
		p.restart(1)
		p.connect("two", 1).run(3 * time.Second)
		p.ends[1].messages = nil
		p.send(0, "last")
		p.run(3 * time.Second)
		p.want(1, "last")
	})
}
