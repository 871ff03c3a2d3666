package node

import (
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

func stranger(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{172, byte(i >> 16), byte(i >> 8), byte(i)})
}

func TestVoicesOfOneSource(t *testing.T) {
	var v voices
	now := machine.Now{}
	var out machine.Effects
	shout := func(seconds int, name string, from int) int {
		out = nil
		for range seconds * 10 {
			out = v.note(now, stranger(from), machine.Note{Name: name, Text: "text"}, out)
			now.Mono = now.Mono.Add(100 * time.Millisecond)
		}
		return len(out)
	}
	if n := shout(1, gdoi.NoteAuthFailed, 1); n != voiceBurst {
		t.Errorf("%d at once; want %d", n, voiceBurst)
	}
	if n := shout(1, gdoi.NoteAuthFailed, 2) + shout(1, gdoi.NoteNotAuthorised, 1); n != 2*voiceBurst {
		t.Errorf("another source, another event: %d; want %d", n, 2*voiceBurst)
	}
	if n := shout(100, gdoi.NoteAuthFailed, 1); n != 10 {
		t.Fatalf("%d in 100 s; want 10", n)
	}
	n := out[5].(machine.Note)
	if len(n.Fields) != 1 || n.Fields[0] != machine.F("suppressed", "99") || n.Text != "text (99 more from this source were not written)" {
		t.Errorf("%q with %v; want 99 suppressed", n.Text, n.Fields)
	}
	now.Mono = now.Mono.Add(time.Minute)
	if n := shout(1, gdoi.NoteAuthFailed, 1); n != voiceBurst {
		t.Errorf("%d after a quiet minute; want %d", n, voiceBurst)
	}
}

// TestVoicesOfEverybody: forged sources cannot fill the journal either, nor the memory.
func TestVoicesOfEverybody(t *testing.T) {
	var v voices
	now := machine.Now{}
	written, unwritten := 0, 0
	for i := range 100000 {
		n := len(v.note(now, stranger(i), machine.Note{Name: gdoi.NoteAuthFailed}, nil))
		written += n
		unwritten += 1 - n
		now.Mono = now.Mono.Add(time.Millisecond)
	}
	if written > chorusBurst+100 || written < chorusBurst || len(v.of) > maxVoices {
		t.Errorf("%d events in 100 s, %d sources remembered; want at most %d and %d", written, len(v.of), chorusBurst+100, maxVoices)
	}
	now.Mono = now.Mono.Add(time.Minute)
	if n := len(v.note(now, outsider.Addr(), machine.Note{Name: gdoi.NoteAuthFailed}, nil)); n != 1 {
		t.Error("a new source is not heard after the flood")
	}
}
