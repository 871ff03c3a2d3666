package view

import (
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/widget"
)

// Member is one row of the members view, and one element of `show members --json`.
type Member struct {
	Group          string    `json:"group"`
	Name           string    `json:"name"` // node name, or the address when the member itself is not attached
	Address        string    `json:"address"`
	Identity       string    `json:"identity"`
	Certificate    string    `json:"certificate,omitempty"` // its subject; empty for a pre-shared key
	State          string    `json:"state"`
	Reason         string    `json:"reason,omitempty"`
	RegisteredWith string    `json:"registered_with"`
	RegisteredAt   time.Time `json:"registered_at"`
	ReregisterAt   time.Time `json:"reregister_at"`
	Registrations  uint64    `json:"registrations"`
	RekeysReceived uint64    `json:"rekeys_received"`
	Seq            uint32    `json:"seq"`      // last rekey accepted by the member
	SeqSent        uint32    `json:"seq_sent"` // last rekey sent to it
	SIDs           []uint32  `json:"sids"`

	Drops    uint64             `json:"drops"`     // packets of its data path, all groups together
	TopDrop  string             `json:"top_drop"`  // the reason of most of them
	SendsSPI string             `json:"sends_spi"` // the TEK that it sends with
	Rekey    control.RekeyState `json:"rekey"`     // what its key server knows
	Attached bool               `json:"attached"`

	current bool // somebody who is connected says so
}

// list joins what members say with what key servers list.
func list(fleet *source.Fleet, group string) []Member {
	out := []Member{}
	at := map[string]int{} // group|host -> index
	for i := range fleet.Nodes {
		n := &fleet.Nodes[i]
		if n.Snap == nil || n.Snap.GM == nil {
			continue
		}
		for _, g := range n.Snap.GM.Groups {
			if group != "" && g.Name != group {
				continue
			}
			m := Member{
				Group: g.Name, Name: n.Name, Address: n.Snap.MemberAddress(g.Name), State: g.State, Reason: g.StateReason,
				RegisteredWith: g.RegisteredWith, RegisteredAt: g.RegisteredAt, ReregisterAt: g.ReregisterAt,
				Registrations: g.Registrations, RekeysReceived: g.RekeysReceived, SIDs: g.SIDs, Attached: n.Connected, current: n.Connected,
			}
			if g.KEK != nil {
				m.Seq = g.KEK.Seq
			}
			if k := sendingKey(g.TEKs); k != nil {
				m.SendsSPI = k.SPI
			}
			m.Drops, m.TopDrop = dropped(n.Snap)
			if !n.Connected {
				m.State, m.Reason = stateDown, n.Problem
				if age := n.Age(fleet.Time); age > 0 {
					m.Reason = n.Problem + ", data " + widget.Clock(age) + " old"
				}
			}
			if fleet.Hangs(n) {
				m.State, m.Reason, m.current = hangWord(fleet, n), silence(fleet, n), false
			}
			at[g.Name+"|"+m.Address] = len(out)
			out = append(out, m)
		}
	}
	// row is that of an address, or, if it has none, that of who was there before; it is valid until the next call.
	row := func(group, addr, before string) (m *Member, added bool) {
		addr = host(addr)
		key := group + "|" + addr
		if _, ok := at[key]; !ok {
			key += before
		}
		k, ok := at[key]
		if !ok {
			k = len(out)
			at[key] = k
			out = append(out, Member{Group: group, Name: addr, Address: addr})
		}
		return &out[k], !ok
	}
	for _, name := range limited(fleet, group) {
		all, c := fleet.ServersOf(name), fleet.Cooperation(name)
		for i, s := range all { // the primary last: it knows best
			n, g := s.Node, s.Group
			for _, km := range g.Members {
				m, added := row(name, km.Address, "")
				if added {
					m.current = n.Connected
					m.State, m.RegisteredWith, m.RegisteredAt, m.Registrations, m.SIDs = km.State, n.Name, km.RegisteredAt, km.Registrations, km.SIDs
					if c != nil && km.KeyServer != 0 {
						m.RegisteredWith = c.Name(km.KeyServer)
					}
				}
				m.Identity, m.SeqSent, m.Rekey, m.Certificate = km.Identity, km.LastSeq, km.Rekey, km.Certificate
			}
			if i < len(all)-1 && (g.Role != control.RolePrimary || !n.Connected) {
				continue
			}
			for _, r := range g.Removed {
				m, added := row(name, r.Address, "|"+r.Identity)
				if added {
					m.RegisteredWith = n.Name
				}
				m.Identity, m.State = r.Identity, control.StateRemoved
			}
		}
	}
	return out
}

// host drops the port of an address.
func host(addr string) string { return source.Host(addr) }
