// Package sadb is the security association database of RFC 4301 §4.4.2 for group SAs: which SA a packet with some SPI
// belongs to, which SA protects each class of traffic, and one exact replay window for each sender under each SA.
//
//	Add        receive with it from now on     RFC 6407 §4.2.1: the new SA receives at once,
//	Activate   protect a class with it         sends after the activation delay,
//	Retire     forget it, destroy the key      and the old one goes after the deactivation delay
//
// Control methods take a lock, build a new View and swap the pointer. Readers take no lock: each goroutine has a Reader
// and brackets a batch with Enter and Leave; what a View shows stays usable until Leave. A retired key is overwritten as
// soon as every reader that was inside at that moment has left: by the Leave itself, or by the next control call.
//
// Replay windows are made on the first authentic packet of a sender. Their number per SA is limited; beyond it packets of
// new senders are refused, since accepting them without a window would let them be replayed. Only holders of the group
// key can make a window, so the limit is about memory, not about strangers.
package sadb

import "errors"

// Errors of the control methods.
var (
	ErrUnknownSPI = errors.New("sadb: no such SA; it was not installed or is already retired")
	ErrSPIInUse   = errors.New("sadb: another SA has this SPI; SPIs must be unique over all groups of a member")
	ErrSIDReused  = errors.New("sadb: sender id was already used with this SPI; sending with it again would repeat IVs")
)
