// Package sourcetest makes a fleet for tests of the console: one key server, four members in the middle of a rollover,
// one of them down, and a journal.
package sourcetest

import (
	"fmt"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// Now is the time of the fleet.
var Now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

func teks() []control.TEK {
	return []control.TEK{
		{SPI: "5ca1ab1e", Suite: "aes-256-gcm", Epoch: 11, Phase: control.PhaseSending, Remaining: 33, Lifetime: 100, Created: Now.Add(-67 * time.Second), SendAfter: Now.Add(-47 * time.Second), Expires: Now.Add(33 * time.Second)},
		{SPI: "c0ffee42", Suite: "aes-256-gcm", Epoch: 12, Phase: control.PhaseWaiting, Remaining: 93, Lifetime: 100, Created: Now.Add(-7 * time.Second), SendAfter: Now.Add(13 * time.Second), Expires: Now.Add(93 * time.Second)},
	}
}

func kek(seq uint32) *control.KEK {
	return &control.KEK{SPI: "00112233445566778899aabbccddeeff", Suite: "aes-256-cbc", Seq: seq, Remaining: 79321, Lifetime: 86400,
		SignatureAlg: "rsa-2048 sha256"}
}

var rules = []control.Rule{
	{Text: "deny udp any eq 848 any eq 848", Owner: "group"},
	{Text: "deny tcp any any eq 22", Owner: "group", Hits: 12},
	{Text: "permit ip 10.1.0.0/16 10.1.0.0/16", Owner: "group", Hits: 48_201},
}

// Fleet returns the fleet.
func Fleet() *source.Fleet {
	f := &source.Fleet{Title: "lab basic", Lab: "basic", Time: Now}
	ks := &control.Snapshot{Name: "ks1", Role: control.RoleKeyServer, PID: 100, Time: Now, Local: "172.16.100.1:848",
		KS: &control.KeyServer{Sessions: 4, StateFile: "/run/state/ks1/state.db", Groups: []control.KSGroup{{
			Name: "blue", ID: "1234", Role: "primary", Health: "OK", Policy: rules, KEK: kek(12), TEKs: teks(), NextRekey: Now.Add(53 * time.Second),
			LastRekey: Now.Add(-7 * time.Second), RekeysSent: 12, RekeyKind: "unicast", Acknowledge: "lkh-sha256", SIDBits: 24, SIDsUsed: 5, SIDsTotal: 1 << 24,
		}}},
		Drops: []control.Counter{{Name: "malformed", Count: 3}}}
	f.Nodes = append(f.Nodes, source.Node{Name: "ks1", Role: control.RoleKeyServer, Connected: true, Operator: true, Seen: Now, Snap: ks})
	for i := 1; i <= 4; i++ {
		addr := fmt.Sprintf("172.16.%d.2", i)
		snap := &control.Snapshot{Name: fmt.Sprintf("gm%d", i), Role: control.RoleGroupMember, PID: 200 + i, Time: Now, Local: addr + ":848",
			GM: &control.GroupMember{Groups: []control.GMGroup{{
				Name: "blue", ID: "1234", State: control.StateRegistered, FailMode: "closed", RegisteredWith: "172.16.100.1", RegisteredAt: Now.Add(-time.Hour),
				ReregisterAt: Now.Add(80 * time.Second), Registrations: 1, Attempts: 1, RekeysReceived: 12, LastRekey: Now.Add(-7 * time.Second),
				Policy: rules, KEK: kek(12), TEKs: teks(), SIDBits: 24, SIDs: []uint32{uint32(i)}, ReplayWindow: 1024,
			}}, DataPath: control.DataPath{TUN: "gv0", MTU: 1446, LAN: []string{"lan0"}, WAN: "wan0", Backend: "water", InPackets: 90_000, OutPackets: 91_000,
				Drops: []control.Counter{{Name: "replay", Count: uint64(i)}}}}}
		n := source.Node{Name: snap.Name, Role: control.RoleGroupMember, Connected: true, Operator: true, Seen: Now, Snap: snap,
			Out: []float64{0, 20, 40, 100, 100, 90, 100, 110}, In: []float64{100}}
		if i == 3 {
			snap.GM.Groups[0].TEKs = teks()[:1]
			snap.GM.Groups[0].KEK = kek(11)
			snap.GM.Groups[0].State = control.StateReregistering
		}
		traffic(&n, i)
		if i == 4 {
			n.Connected, n.Problem, n.Seen = false, "not running (no socket)", Now.Add(-42*time.Second)
		}
		ks.KS.Groups[0].Members = append(ks.KS.Groups[0].Members, control.KSMember{Address: addr, Identity: addr, State: "registered", LastSeq: 12, SIDs: []uint32{uint32(i)},
			Rekey: control.RekeyState{Acks: true, Acked: uint32(12 - i/3), AckCount: 11, Missed: i / 4, MissedTotal: uint64(i / 3), RTT: 18.4}})
		f.Nodes = append(f.Nodes, n)
	}
	events := []struct{ node, name, sev, text, peer, reason string }{
		{"ks1", "ks-started", "info", "key server started with its stored state", "", ""},
		{"ks1", "gm-registered", "info", "member registered", "172.16.1.2", ""},
		{"ks1", "auth-failed", "warning", "phase 1 failed", "172.16.9.2", "authentication-failed"},
		{"ks1", "rekey-sent", "info", "rekey 12 sent to 4 members", "", ""},
		{"gm1", "rekey-received", "info", "rekey 12 accepted, new TEK c0ffee42", "", ""},
		{"gm3", "reregistering", "warning", "expected rekey did not come, registering again", "", "rekey-missed"},
	}
	for i, e := range events {
		f.Events = append(f.Events, control.Event{Seq: uint64(i + 1), Time: Now.Add(time.Duration(i-8) * time.Second), Node: e.node, Name: e.name,
			Severity: e.sev, Group: "blue", Peer: e.peer, Reason: e.reason, Text: e.text})
	}
	return f
}
