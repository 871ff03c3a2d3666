package node

import (
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// conversation is a registration and a rekey between nodes with fixed seeds, so that a fresh node takes the same
// datagrams again.
func conversation(t testing.TB) []machine.Datagram {
	w := newWorld(t)
	w.keyServer(Limits{}, blue(t))
	w.member(gm1, rightPSK)
	w.run(59 * time.Minute)
	return w.log
}

// replayTo gives a node what the conversation had for it, up to the given number of datagrams.
func replayTo(w *world, a netip.AddrPort, log []machine.Datagram, upTo int) {
	for _, d := range log[:min(upTo, len(log))] {
		if d.Local == a {
			w.step(a, d)
		}
	}
	w.queue = nil
}

// FuzzKeyServer: whatever comes, after however much of a genuine conversation, a key server neither panics nor grants,
// nor lets a stranger keep more than a negotiation.
func FuzzKeyServer(f *testing.F) {
	log := conversation(f)
	for i, d := range log {
		f.Add(uint8(i), d.Bytes, true)
		f.Add(uint8(0), d.Bytes, false)
	}
	f.Fuzz(func(t *testing.T, upTo uint8, b []byte, fromMember bool) {
		w := newWorld(t)
		ks := w.keyServer(Limits{}, blue(t))
		w.step(ksAddr, machine.Timeout{})
		replayTo(w, ksAddr, log, int(upTo))
		before := ks.Snapshot(w.now)
		from := outsider
		if fromMember {
			from = gm1
		}
		w.step(ksAddr, machine.Datagram{Local: ksAddr, Remote: from, Bytes: b})
		after := ks.Snapshot(w.now)
		genuine := false
		for _, d := range log {
			genuine = genuine || d.Local == ksAddr && string(d.Bytes) == string(b)
		}
		if genuine {
			return
		}
		if after.Groups[0].SIDsUsed != before.Groups[0].SIDsUsed || after.Sessions > before.Sessions || after.HalfOpen > before.HalfOpen+1 {
			t.Errorf("sessions %d to %d, half-open %d to %d, sender ids %d to %d", before.Sessions, after.Sessions,
				before.HalfOpen, after.HalfOpen, before.Groups[0].SIDsUsed, after.Groups[0].SIDsUsed)
		}
		ks.Step(machine.Now{Mono: w.now.Mono.Add(2 * time.Minute), Wall: w.now.Wall}, machine.Timeout{}, nil)
	})
}

// FuzzGroupMember: whatever comes, a member neither panics nor changes its keys.
func FuzzGroupMember(f *testing.F) {
	log := conversation(f)
	for i, d := range log {
		f.Add(uint8(i), d.Bytes, true)
		f.Add(uint8(255), d.Bytes, false)
	}
	f.Fuzz(func(t *testing.T, upTo uint8, b []byte, fromServer bool) {
		w := newWorld(t)
		gm := w.member(gm1, rightPSK)
		w.step(gm1, machine.Timeout{})
		replayTo(w, gm1, log, int(upTo))
		before := gm.Snapshot(w.now).Groups[0]
		from := outsider
		if fromServer {
			from = ksAddr
		}
		w.step(gm1, machine.Datagram{Local: gm1, Remote: from, Bytes: b})
		after := gm.Snapshot(w.now).Groups[0]
		for _, d := range log {
			if d.Local == gm1 && string(d.Bytes) == string(b) {
				return
			}
		}
		if len(after.TEKs) != len(before.TEKs) || after.Sending != before.Sending || after.Registrations != before.Registrations || after.RekeysReceived != before.RekeysReceived {
			t.Errorf("%+v became %+v", before, after)
		}
	})
}
