package sourcetest

import (
	"fmt"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// Large returns a key server with n members, none of them attached. Most have acknowledged the last rekey.
func Large(n int) *source.Fleet {
	f := Fleet()
	f.Title, f.Lab, f.Nodes = "/run/getvpn/ks1.sock", "", f.Nodes[:1]
	g := &f.Nodes[0].Snap.KS.Groups[0]
	g.Members = nil
	for i := range n {
		addr := fmt.Sprintf("10.%d.%d.%d", 1+i>>16, i>>8&255, i&255)
		m := control.KSMember{
			Address: addr + ":848", Identity: fmt.Sprintf("gm%05d.example.net", i), State: control.StateRegistered, RegisteredAt: Now.Add(-time.Duration(i) * time.Second),
			Registrations: 1 + uint64(i%3), RekeysSent: 12, LastSeq: 12, SIDs: []uint32{uint32(i)},
			Rekey: control.RekeyState{Acks: true, Acked: 12, AckCount: 12, RTT: float64(5 + i%90)},
		}
		switch {
		case i%997 == 5:
			m.Rekey.Acked, m.Rekey.Missed, m.Rekey.MissedTotal = 10, 2, 3
		case i%211 == 7:
			m.Rekey.Acked = 11
		}
		g.Members = append(g.Members, m)
	}
	return f
}
