package pull

import (
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Offer is what a key server grants to a member: policy and, once message 4 is there, keys. It is also the content
// of a GROUPKEY-PUSH. It owns its secrets; see Destroy.
type Offer struct {
	KEK *KEKOffer // nil: the group has no rekey SA, or a PUSH does not replace it
	// Seq is the last sequence number that the key server used under KEK, RFC 6407 §5.7; only in a PULL.
	Seq uint32
	// TEKs are the data-security SAs, oldest first.
	TEKs []TEKOffer
	// ATD and DTD are the rollover delays, RFC 6407 §5.4.1, in whole seconds up to 65535; others are rounded up.
	ATD, DTD time.Duration
	// AccessList is the whole ordered list; nil when the key server sent SATs alone (see Policy).
	AccessList policy.List
	// Mode is how strict members are. A peer without our vendor id knows receive-only (SA Direction, RFC 6407 §5.5.1.1.2)
	// and takes passive for full.
	Mode gdoi.Mode
	// Former is the policy that this one replaces; nil: none. Only in a PULL, and with AccessList.
	Former *Former
	// Time is the time of the group; nil: it has none, or members are not told because of those of other makes.
	Time *TimeOffer
	// Trusted are the public keys (DER SubjectPublicKeyInfo) that sign rekeys beside the one that came with the KEK: the other
	// key servers of the group may have keys of their own. Nil says nothing, an empty list that there are none.
	Trusted [][]byte
	// SIDBits and SIDs are the sender ids for this member alone, RFC 6407 §5.6.4; never in a PUSH.
	SIDBits int
	SIDs    []gdoi.SID
	// LKH is what the key tree has for the members; nil: nothing.
	LKH *LKHOffer
}

// LKHOffer is an LKH key packet, RFC 6407 §5.6.3: in a PULL the path of one member, in a PUSH the arrays from which members
// with a path derive the KEK, which then has no key packet of its own.
type LKHOffer struct {
	// Path holds keys in clear; lkh.Wipe.
	Path    *isakmp.LKHDownload
	Updates []isakmp.LKHUpdate
}

// Former is a policy that another one has just replaced, or is about to.
type Former struct {
	AccessList policy.List
	Mode       gdoi.Mode
	// For is how long it is still in force, in whole seconds; 0: no longer, but some members may be late.
	For time.Duration
}

// KEKOffer is a rekey SA: SAK and KEK key packet.
type KEKOffer struct {
	SPI   gdoi.KEKSPI
	Suite suite.KEK
	// Key and IV are nil while only the policy is known (message 2). The IV is static, RFC 6407 §5.6.2.1.
	Key, IV *machine.Secret
	// Lifetime is what remains, in seconds.
	Lifetime uint32
	// Signature is SIG_ALGORITHM. SigHash is SIG_HASH_ALGORITHM, which is sent where the algorithm implies none.
	Signature suite.Signature
	SigHash   machine.Hash
	// SigKeyDER is the public key that signs PUSH messages, a DER SubjectPublicKeyInfo; SigKeyBits its size.
	SigKeyDER  []byte
	SigKeyBits int
	// Src and Dst are where PUSH messages come from and go to. Dst is unspecified for unicast delivery, where the
	// same message goes to every member.
	Src, Dst netip.AddrPort
	// Ack is the value of KEK_ACK_REQUESTED, RFC 8263 §2; 0 where no acknowledgement is asked for. Only for members that
	// understand it: others must refuse the whole policy.
	Ack uint16
}

// TEKOffer is a data-security SA: SATs and TEK key packet.
type TEKOffer struct {
	SPI   gdoi.SPI
	Suite suite.ESP
	// Key is the algorithm key (key, then the salt of counter modes), then the integrity key: suite.ESP.KeymatLen octets.
	// Nil while only the policy is known.
	Key *machine.Secret
	// Lifetime is what remains, in seconds.
	Lifetime uint32
	// Policy holds permits only, one for each SAT; several for a SAT with ranges, which we never send.
	Policy policy.List
	// DestinationOnly says that senders need not preserve the source address (RFC 6407 §5.5.1.1.1): old key servers.
	DestinationOnly bool
}

// Destroy wipes all keys of the offer.
func (o *Offer) Destroy() {
	if o == nil {
		return
	}
	if o.KEK != nil {
		o.KEK.Key.Destroy()
		o.KEK.IV.Destroy()
	}
	o.WipePath()
	for i := range o.TEKs {
		o.TEKs[i].Key.Destroy()
	}
}

// WipePath wipes what an offer that aliases a group's secrets has of its own: the path of one member.
func (o *Offer) WipePath() {
	if o != nil && o.LKH != nil {
		lkh.Wipe(o.LKH.Path)
	}
}

// Policy is the access list that a member should apply, given the one that it applies now (nil: none). An explicit
// list wins. Without one, the permits of all TEKs are the policy, each once, unless they are those of the current list:
// then that list, which may also deny, stays. An offer without TEKs changes nothing.
func (o *Offer) Policy(current policy.List) policy.List {
	if o.AccessList != nil {
		return o.AccessList
	}
	if len(o.TEKs) == 0 {
		return current
	}
	var permits policy.List
	seen := map[policy.Rule]bool{}
	for _, t := range o.TEKs {
		for _, r := range t.Policy {
			if !seen[r] {
				seen[r] = true
				permits = append(permits, r)
			}
		}
	}
	known := map[policy.Rule]bool{}
	for _, r := range AsSATs(current) {
		if !seen[r] {
			return permits
		}
		known[r] = true
	}
	if len(known) < len(seen) {
		return permits
	}
	return current
}

// CounterMode says whether a member needs sender ids to send with the TEKs (RFC 6407 §3.5).
func (o *Offer) CounterMode() bool {
	return slices.ContainsFunc(o.TEKs, func(t TEKOffer) bool { return t.Suite.Counter() })
}

// sameSAs says whether both offers announce the same SPIs in the same order.
func (o *Offer) sameSAs(p *Offer) bool {
	if (o.KEK == nil) != (p.KEK == nil) || len(o.TEKs) != len(p.TEKs) {
		return false
	}
	if o.KEK != nil && o.KEK.SPI != p.KEK.SPI {
		return false
	}
	for i := range o.TEKs {
		if o.TEKs[i].SPI != p.TEKs[i].SPI {
			return false
		}
	}
	return true
}

// outline copies the SPIs, and no secret.
func (o *Offer) outline() *Offer {
	p := &Offer{TEKs: make([]TEKOffer, len(o.TEKs))}
	if o.KEK != nil {
		p.KEK = &KEKOffer{SPI: o.KEK.SPI}
	}
	for i := range o.TEKs {
		p.TEKs[i].SPI = o.TEKs[i].SPI
	}
	return p
}
