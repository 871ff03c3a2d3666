package keyserver

import (
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/push"
)

// Snapshot is a group for operators; a value.
type Snapshot struct {
	Name   string
	ID     gdoi.GroupID
	Policy policy.List
	Mode   gdoi.Mode
	// KEKs and TEKs are those alive, oldest first; of each SA the last is the newest.
	KEKs    []gdoi.KEKInfo
	TEKs    []gdoi.TEKInfo
	Members []MemberInfo // sorted by address, then identity
	// Least is what remains of the newest TEK of the SA that is worst off.
	Least   time.Duration
	Removed []RemovedInfo
	// KeyTree is how many members have a place in the key tree, and its height.
	KeyTree KeyTreeInfo
	// NextRekey is the next scheduled TEK rekey; LastRekey the last PUSH, zero if none since start.
	NextRekey, LastRekey time.Time
	// RekeysSent counts distinct PUSH messages since start.
	RekeysSent uint64
	// LastRekeyRepeats and LastRekeyTook are of the last PUSH: datagrams that were sent again, and the time to the last datagram
	// or the last member's acknowledgement.
	LastRekeyRepeats uint64
	LastRekeyTook    time.Duration
	// Retransmits is how often a PUSH is repeated to who does not acknowledge, Retransmit apart.
	Retransmits int
	Retransmit  time.Duration
	// Transmitting is the number of datagrams of the current PUSH that are still to be sent.
	Transmitting int
	// Multicast is where rekeys go; invalid for unicast.
	Multicast netip.AddrPort
	// Ack is how members are asked to acknowledge rekeys; Ejected how many left the list since start because they did not.
	Ack                  push.AckType
	Ejected              uint64
	SIDBits              int
	Time                 TimeInfo
	SIDsUsed, SIDsTotal  uint64 // of those that this key server gives out, from SIDFirst on
	SIDFirst             uint64
	ActivationDelay      time.Duration
	Problems             []string // why the group is degraded; empty when all is well
	Registrations, Reset uint64   // since start: registrations granted; times that everybody had to register again
	// Signer is which key signs rekeys.
	Signer SignerInfo
	// Coop is how key servers share the group; nil: this one is alone. The node fills it in.
	Coop *coop.Info
}

// RemovedInfo is somebody who was removed and is refused.
type RemovedInfo struct {
	Addr     netip.AddrPort
	Identity string
	At       time.Time
}

// KeyTreeInfo describes the key tree of package lkh.
type KeyTreeInfo struct{ Members, Height int }

// MemberInfo is one registered member.
type MemberInfo struct {
	Addr          netip.AddrPort
	Identity      string
	Certificate   string // its subject; empty for a pre-shared key
	GetVPN        bool
	RegisteredAt  time.Time
	ExpiresAt     time.Time // it leaves the list then, unless it registers again
	Registrations uint64
	RekeysSent    uint64   // datagrams, repeats included, since start
	Rekeys        uint64   // the same without repeats
	LastSeq       uint32   // of the last PUSH sent to it since start
	SentSeqs      []uint32 // of the last few, newest first
	AckedSeqs     []uint32 // that it acknowledged
	SIDs          []gdoi.SID
	KeyServer     coop.ID // where it registered, of several
	KeyTree       bool    // it has a place in the key tree
	Left          bool    // it has stopped in order, and gets no rekeys until it registers again
	// Acks says that it is asked to acknowledge rekeys; the rest is about that, since start.
	Acks        bool
	AckedSeq    uint32        // of the last PUSH that it acknowledged
	AckCount    uint64        // rekeys that it acknowledged
	Missed      int           // rekeys in a row that it did not acknowledge
	MissedTotal uint64        // all of them
	RTT         time.Duration // of the last acknowledgement, its jitter included
}

// Snapshot returns the state at now.
func (g *Group) Snapshot(now machine.Now) Snapshot {
	s := Snapshot{
		Name: g.cfg.Name, ID: g.cfg.ID, Policy: append(policy.List(nil), g.cfg.AccessList()...), Mode: g.cfg.Mode,
		RekeysSent: g.rekeysSent, SIDBits: g.cfg.SIDBits, SIDsUsed: g.sidNext - g.cfg.SIDFirst, SIDsTotal: g.cfg.SIDCount, SIDFirst: g.cfg.SIDFirst,
		ActivationDelay: g.cfg.ActivationDelay, Problems: g.problems(), Registrations: g.registrations, Reset: g.resets,
		Ejected: g.ejected, Signer: g.signerInfo(), Retransmits: max(0, g.cfg.Retransmits), Retransmit: g.cfg.Retransmit,
	}
	s.Ack = g.askable(true)
	s.Time = g.timeInfo(now)
	if n := len(g.keks); n > 0 {
		s.Multicast = g.keks[n-1].dst
	}
	for _, k := range g.keks {
		s.KEKs = append(s.KEKs, k.info(now, g))
	}
	for _, t := range g.teks {
		s.TEKs = append(s.TEKs, t.info(now, g.phase(now, t)))
	}
	if at, ok := g.nextRekey(); ok {
		s.NextRekey = now.WallAt(at)
		s.Least = max(0, at.Add(4*g.cfg.ActivationDelay).Sub(now.Mono))
	}
	if g.rekeysSent > 0 {
		s.LastRekey = now.WallAt(g.lastRekey)
	}
	if c := g.course; c != nil {
		s.LastRekeyTook, s.LastRekeyRepeats = c.until.Sub(c.begun), c.repeats
	}
	for _, d := range g.deliveries {
		if d.tx != nil {
			s.Transmitting += d.tx.Pending()
		}
	}
	s.KeyTree = KeyTreeInfo{g.tree.Len(), g.tree.Height()}
	for _, r := range g.removed {
		s.Removed = append(s.Removed, RemovedInfo{r.peer.Addr, r.peer.Identity, now.WallAt(r.at)})
	}
	for _, m := range g.members.sorted {
		s.Members = append(s.Members, m.info(now, g))
	}
	return s
}

func (m *member) info(now machine.Now, g *Group) MemberInfo {
	certificate := ""
	if m.peer.Cert != nil {
		certificate = m.peer.Cert.Subject
	}
	return MemberInfo{
		Certificate: certificate,
		Addr:        m.peer.Addr, Identity: m.peer.Identity, GetVPN: m.peer.GetVPN,
		RegisteredAt: now.WallAt(m.registered), ExpiresAt: now.WallAt(g.memberEnd(m)),
		Registrations: m.registrations, RekeysSent: m.rekeysSent, Rekeys: m.rekeys, LastSeq: m.sentSeqs[0],
		SentSeqs: slices.Clone(m.sentSeqs[:]), AckedSeqs: slices.Clone(m.ackedSeqs[:]),
		SIDs: append([]gdoi.SID(nil), m.sids...), KeyServer: m.at, Left: m.left, KeyTree: m.slot != noSlot,
		Acks: len(g.keks) > 0 && g.asks(g.keks[len(g.keks)-1], m) != 0, AckedSeq: m.ackedSeqs[0], AckCount: m.acks, Missed: m.missed,
		MissedTotal: m.missedTotal, RTT: m.rtt,
	}
}
