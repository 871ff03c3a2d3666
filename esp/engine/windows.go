package engine

import (
	"net/netip"

	"github.com/getvpn/getvpn/esp/sadb"
)

// ReplayStats is the replay windows of one SA for operators: those of the senders that were heard last.
type ReplayStats struct {
	Group   string
	SPI     uint32
	Senders []SenderStats // the latest first
}

// SenderStats is the replay window of one sender.
type SenderStats struct {
	SID     uint32
	Source  netip.Addr // of one without a sender id; invalid if it is not known either
	Known   bool       // it has a sender id
	Top     uint64     // its highest number
	Heard   Instant    // when a call of Windows first found that
	Size    int        // numbers in the window
	Parts   []int      // see replay.Window.Picture
	Missing int        // numbers of the window that were not seen
}

// Windows looks at the replay windows of each SA: at those of most senders, in so many parts. It does not hold up packets.
func (e *Engine) Windows(now Instant, most, parts int) []ReplayStats {
	e.mu.Lock()
	entries, _ := e.db.Entries()
	groups := e.groups // a slice that is replaced, never changed
	e.mu.Unlock()
	out := make([]ReplayStats, len(entries))
	for i, x := range entries {
		out[i] = ReplayStats{Group: groups[x.Group].Name, SPI: x.SA.SPI()}
		for _, s := range x.Recent(int64(now), most) {
			out[i].Senders = append(out[i].Senders, senderStats(s, parts))
		}
	}
	return out
}

func senderStats(s sadb.SenderWindow, parts int) SenderStats {
	out := SenderStats{Top: s.Window.Top(), Heard: Instant(s.Heard), Size: s.Window.Size()}
	out.Parts, out.Missing = s.Window.Picture(parts)
	switch {
	case s.SID < foreignIPv4:
		out.SID, out.Known = uint32(s.SID), true //nolint:gosec // sender ids that key servers give have at most 24 bits
	case s.SID < foreignIPv6:
		out.Source = netip.AddrFrom4([4]byte{byte(s.SID >> 24), byte(s.SID >> 16), byte(s.SID >> 8), byte(s.SID)})
	}
	return out
}
