package engine

import (
	"net/netip"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/spd"
)

// Instant is a moment on a monotonic clock in nanoseconds, from an origin of the caller's choice.
type Instant int64

// Packet is a packet in a buffer: an IP packet at Buf[Off:Off+Len]. What goes to Outbound needs esp.Headroom before and
// esp.Tailroom behind it.
type Packet struct {
	Buf      []byte
	Off, Len int
}

// Bytes returns the packet itself.
func (p *Packet) Bytes() []byte { return p.Buf[p.Off : p.Off+p.Len] }

// Action is what to do with a Result.
type Action uint8

// Actions.
const (
	Drop    Action = iota // nothing; Reason says why
	Send                  // a sealed IP packet: to the WAN, as it is addressed
	Clear                 // the packet unchanged: to the WAN in clear, as the policy says
	Deliver               // an opened IP packet: to the LAN, through the TUN
	Reply                 // an ICMP error to the sender of the packet: to the LAN, past the TUN; Reason says why
)

// Result is one decision. One input packet can give several: fragments, each a Send.
type Result struct {
	Packet // not set for Drop
	Action Action
	Reason Reason // of Drop and Reply
}

// SA is a traffic encryption key for Install.
type SA struct {
	Group   string
	SPI     uint32
	Suite   esp.Suite // none: the AES-GCM that KeyMat is long enough for
	KeyMat  []byte    // see esp.NewSA; the caller wipes it after Install
	SIDBits uint8
	SIDs    []uint32 // own sender ids, never used with this key before; none: receive only
	Expires Instant  // hard end: neither sent with nor received from then on; 0 for none
	// Selectors are permits: what arrives under the SA must match one of them, in one direction or the other. Nil: what
	// the rules of its group permit.
	Selectors []spd.Rule
}

// Policy is what a group wants of the packets.
type Policy struct {
	Rules []spd.Rule
	// Classes has an entry for each rule: the class whose SA (Activate) protects what the rule permits. Numbers are the
	// caller's, within the group. Nil: all rules are of class 0.
	Classes []int
	// ReceiveOnly sends in clear what Rules would protect, with or without keys.
	ReceiveOnly bool
	// Registered says whether the group is usable.
	Registered bool
}

// GroupConfig is what a member's configuration says about one group.
type GroupConfig struct {
	Name     string
	FailOpen bool
	Protect  []netip.Prefix // guarded while the group is not registered, see spd.Group
	Local    []spd.Rule     // the member's own exceptions, Deny only
	// ReceiveOnly sends in clear until SetPolicy says otherwise.
	ReceiveOnly bool
	// ReplayWindow is in packets, a power of two; 0 for the Config's.
	ReplayWindow int
}
