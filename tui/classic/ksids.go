package classic

import (
	"strconv"

	"github.com/getvpn/getvpn/daemon/control"
)

// IDsOf are the sender ids that a key server gives to the members of a group.
type IDsOf struct {
	Group     string `json:"group_name"`
	Mode      string `json:"transform_mode"`
	Bits      int    `json:"sid_length"`
	Current   *int   `json:"current_kssid_in_use"` // null: none
	Last      *int   `json:"last_gmsid_used"`
	Assigned  []int  `json:"kssid_assigned"`
	Used      []int  `json:"kssid_used"`
	Available []int  `json:"available_kssid"`
	Remaining uint64 `json:"remaining_sids"`
	detail    bool
	counter   bool
}

type idsOf []IDsOf

// kssidBits of a sender id say which key server gave it.
const kssidBits = 3

func ksIdentifier(s *control.Snapshot, q Query) Answer       { return serverIDs(s, q, false) }
func ksIdentifierDetail(s *control.Snapshot, q Query) Answer { return serverIDs(s, q, true) }

func serverIDs(s *control.Snapshot, q Query, detail bool) Answer {
	return idsOf(eachKS(s, q, func(_ int, g *control.KSGroup) IDsOf {
		b := IDsOf{Group: g.Name, Mode: mode(g.TEKs), Bits: g.SIDBits, Assigned: []int{}, Used: []int{}, Available: []int{}, detail: detail, counter: counts(g.TEKs)}
		if !b.counter || g.SIDBits <= kssidBits || g.SIDsTotal == 0 {
			return b
		}
		shift := g.SIDBits - kssidBits
		b.Remaining = g.SIDsTotal - min(g.SIDsUsed, g.SIDsTotal)
		current := -1
		if g.SIDsUsed > 0 {
			last := g.SIDFirst + g.SIDsUsed - 1
			current = int(last >> shift)
			id := int(last & (1<<shift - 1))
			b.Current, b.Last = &current, &id
		}
		for k := int(g.SIDFirst >> shift); k <= int((g.SIDFirst+g.SIDsTotal-1)>>shift); k++ {
			b.Assigned = append(b.Assigned, k)
			if k <= current {
				b.Used = append(b.Used, k)
			} else {
				b.Available = append(b.Available, k)
			}
		}
		return b
	}))
}

// numbers writes them as one word: 0-3, or none.
func numbers(list []int) string {
	switch n := len(list); n {
	case 0:
		return none
	case 1:
		return strconv.Itoa(list[0])
	default: // without gaps
		return strconv.Itoa(list[0]) + "-" + strconv.Itoa(list[n-1])
	}
}

func numberOr(n *int) string {
	if n == nil {
		return none
	}
	return strconv.Itoa(*n)
}

func (all idsOf) print(p *page) {
	for i := range all {
		if i > 0 {
			p.blank()
			p.blank()
		}
		b := &all[i]
		p.line(0, "KS Sender ID (KSSID) Information for Group %s:", b.Group)
		p.blank()
		f := func(label string, value any) { p.field(4, 25, label, value) }
		f("Transform Mode", b.Mode)
		f("Re-initializing", "No")
		f("SID Length (Group Size)", idBits(b.Bits))
		f("Current KSSID In-Use", numberOr(b.Current))
		f("Last GMSID Used", numberOr(b.Last))
		if !b.detail {
			continue
		}
		p.blank()
		f("KSSID(s) Assigned", numbers(b.Assigned))
		f("KSSID(s) Used", numbers(b.Used))
		f("KSSID(s) Used (Old)", none)
		f("Available KSSID(s)", numbers(b.Available))
		p.blank()
		left := none
		if b.counter {
			left = strconv.FormatUint(b.Remaining, 10)
		}
		p.line(4, "REMAINING SIDs: %s", left)
	}
}
