package classic

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
)

// GMIDs are the sender ids of a member.
type GMIDs struct {
	Group  string   `json:"group"`
	Member string   `json:"group_member"`
	VRF    string   `json:"vrf"`
	Mode   string   `json:"transform_mode"`
	Asked  int      `json:"sids_last_requested"`
	SIDs   []uint32 `json:"current_sids"`
	Next   *NextIDs `json:"next_sid_request,omitempty"`
}

// NextIDs is what the next registration asks for.
type NextIDs struct {
	Lifetime int `json:"tek_lifetime_sec"`
	Bits     int `json:"sid_length"`
}

type gmIDs []GMIDs

func gmIdentifier(s *control.Snapshot, q Query) Answer       { return memberIDs(s, q, false) }
func gmIdentifierDetail(s *control.Snapshot, q Query) Answer { return memberIDs(s, q, true) }

func memberIDs(s *control.Snapshot, q Query, detail bool) Answer {
	return gmIDs(eachGM(s, q, func(g *control.GMGroup) GMIDs {
		b := GMIDs{Group: g.Name, Member: host(s.Local), VRF: "None", Mode: mode(g.TEKs), SIDs: append([]uint32{}, g.SIDs...)}
		if counts(g.TEKs) {
			b.Asked = g.SIDsAsked
		}
		if n := len(g.TEKs); detail && n > 0 {
			b.Next = &NextIDs{g.TEKs[n-1].Lifetime, g.SIDBits}
		}
		return b
	}))
}

// counts says whether senders of one of the TEKs have ids.
func counts(teks []control.TEK) bool {
	for i := range teks {
		if transformOf(teks[i].Suite).counter {
			return true
		}
	}
	return false
}

func mode(teks []control.TEK) string {
	if counts(teks) {
		return "Counter (Suite-B)"
	}
	return "Non-Counter (Non-Suite-B)"
}

// idBits is the width of sender ids as devices name it.
func idBits(bits int) string {
	size := "MEDIUM"
	switch {
	case bits < 24:
		size = "SMALL"
	case bits > 24:
		size = "LARGE"
	}
	return fmt.Sprintf("%d bits (%s)", bits, size)
}

func (all gmIDs) print(p *page) {
	for i, b := range all {
		if i > 0 {
			p.blank()
			p.blank()
		}
		p.line(0, "GM Sender ID (SID) Information for Group %s:", b.Group)
		p.blank()
		p.line(2, "Group Member: %-15s vrf: %s", b.Member, b.VRF)
		p.field(4, 32, "Transform Mode", b.Mode)
		p.field(4, 32, "# of SIDs Last Requested", b.Asked)
		p.blank()
		ids := []string{}
		for _, id := range b.SIDs {
			ids = append(ids, fmt.Sprintf("0x%06X", id))
		}
		if len(ids) == 0 {
			ids = append(ids, "None")
		}
		p.line(4, "CURRENT SIDs: %s", strings.Join(ids, ","))
		if b.Next != nil {
			p.blank()
			p.line(4, "NEXT SID REQUEST:")
			p.line(6, "%-30s: %d sec", "TEK Lifetime", b.Next.Lifetime)
			p.field(6, 30, "SID Length (Group Size)", idBits(b.Next.Bits))
		}
	}
}
