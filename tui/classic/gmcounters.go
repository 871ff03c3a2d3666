package classic

import (
	"github.com/getvpn/getvpn/daemon/control"
)

// CounterBlock is the data plane of a group. Where a member has several groups, each has its own Encrypt and Decrypt, and a
// last block, of all, what was dropped: a packet that is dropped may belong to none.
type CounterBlock struct {
	Group       string            `json:"group"`
	Encrypt     uint64            `json:"pkts_encrypt"`
	Decrypt     uint64            `json:"pkts_decrypt"`
	Drops       *DropCounters     `json:"drops,omitempty"`
	ByReason    map[string]uint64 `json:"drops_by_reason,omitempty"` // in our own words
	Unencrypted *uint64           `json:"pkts_clear,omitempty"`      // by the access list
}

// DropCounters are packets that were dropped, in the classes of devices.
type DropCounters struct {
	NoSA        uint64 `json:"pkts_no_sa"`
	InvalidSA   uint64 `json:"pkts_invalid_sa"`
	EncapsFail  uint64 `json:"pkts_encaps_fail"`
	DecapFail   uint64 `json:"pkts_decap_fail"`
	InvalidProt uint64 `json:"pkts_invalid_prot"`
	VerifyFail  uint64 `json:"pkts_verify_fail"`
	InternalOut uint64 `json:"pkts_internal_err_send"`
	InternalIn  uint64 `json:"pkts_internal_err_rcv"`
}

// allGroups names the block of what belongs to no single group.
const allGroups = "*"

type counterBlocks []CounterBlock

func gmCounters(s *control.Snapshot, q Query) Answer {
	d := &s.GM.DataPath
	drops, by := dropCounters(d.Drops)
	out := eachGM(s, q, func(g *control.GMGroup) CounterBlock {
		return CounterBlock{Group: g.Name, Encrypt: g.OutPackets, Decrypt: g.InPackets}
	})
	switch {
	case len(s.GM.Groups) == 1 && len(out) == 1:
		out[0].Drops, out[0].ByReason, out[0].Unencrypted = drops, by, &d.Clear
	case q.Group == "":
		out = append(out, CounterBlock{Group: allGroups, Encrypt: d.OutPackets, Decrypt: d.InPackets, Drops: drops, ByReason: by, Unencrypted: &d.Clear})
	}
	return counterBlocks(out)
}

// dropCounters sorts the reasons of a data path into the classes of devices. What has no class there, as a packet that is
// too big, is in JSON under its own name alone.
func dropCounters(list []control.Counter) (*DropCounters, map[string]uint64) {
	var c DropCounters
	by := map[string]uint64{}
	for _, d := range list {
		by[d.Name] += d.Count
		switch d.Name {
		case "no-sa", "fail-closed":
			c.NoSA += d.Count
		case "unknown-spi", "sa-expired":
			c.InvalidSA += d.Count
		case "seq-exhausted", "too-big":
			c.EncapsFail += d.Count
		case "fragmented", "bad-padding", "own-sender":
			c.DecapFail += d.Count
		case "bad-next-header", "address-mismatch", "policy-mismatch":
			c.InvalidProt += d.Count
		case "auth-failed", "replay", "time-replay", "unstamped":
			c.VerifyFail += d.Count
		case "no-room":
			c.InternalOut += d.Count
		case "sender-limit":
			c.InternalIn += d.Count
		}
	}
	return &c, by
}

func (all counterBlocks) print(p *page) {
	for _, b := range all {
		p.blank()
		p.line(0, "Data-plane statistics for group %s:", b.Group)
		pair := func(send string, s uint64, rcv string, r uint64) {
			p.line(4, "%-25s: %-12d %-25s: %d", "#pkts "+send, s, "#pkts "+rcv, r)
		}
		pair("encrypt", b.Encrypt, "decrypt", b.Decrypt)
		if d := b.Drops; d != nil {
			pair("tagged (send)", 0, "untagged (rcv)", 0)
			pair("no sa (send)", d.NoSA, "invalid sa (rcv)", d.InvalidSA)
			pair("encaps fail (send)", d.EncapsFail, "decap fail (rcv)", d.DecapFail)
			pair("invalid prot (rcv)", d.InvalidProt, "verify fail (rcv)", d.VerifyFail)
			pair("not tagged (send)", 0, "not untagged (rcv)", 0)
			pair("internal err (send)", d.InternalOut, "internal err (rcv)", d.InternalIn)
		}
	}
	p.blank()
}
