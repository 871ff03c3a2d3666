package spd

import "net/netip"

// Action is what a rule does with a packet.
type Action uint8

// Actions, with the numbers of the group policy. Deny is the zero value.
const (
	Deny   Action = iota // send in clear
	Permit               // protect
)

// Ports is an inclusive range of ports.
type Ports struct{ Lo, Hi uint16 }

// AnyPort is the range that every port is in.
var AnyPort = Ports{0, 65535}

// Rule is one line of an access list. Src and Dst are of the same address family.
type Rule struct {
	Action             Action
	Proto              uint8 // IP protocol, 0 for any
	Src, Dst           netip.Prefix
	SrcPorts, DstPorts Ports
}

// Group is one group's part of the table, in the order of the member's configuration.
type Group struct {
	Name string
	// Local holds the member's own exceptions; they come before Rules and must all be Deny.
	Local []Rule
	// Rules is the group's access list: the current one, or while not registered the last one known (or none).
	Rules []Rule
	// Classes gives each rule a number of the caller's choice, which Table.Class tells: which SA protects what
	// the rule permits. Nil: 0 for all.
	Classes []uint32
	// Registered says that the group is usable. If it is not, what it would protect is dropped, or with FailOpen sent
	// in clear.
	Registered bool
	FailOpen   bool
	// ReceiveOnly says that nothing is to be protected on the way out, keys or no keys.
	ReceiveOnly bool
	// Protect holds the destinations guarded while the group is not registered, besides what Rules permit. With no
	// Protect and no Rules everything is guarded, since nobody knows what is not.
	Protect []netip.Prefix
}
