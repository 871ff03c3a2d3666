package gdoi

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// InstallSA is an effect: receive with the TEK from now on. For an SPI that is installed already it replaces the
// sender ids, and the sender must start with a fresh counter under the new ones; keys and replay state stay. The
// shell owns TEK.Key and wipes it.
type InstallSA struct {
	Group string
	TEK   TEK
	// Selectors are the permits of the SA: what arrives under it must match one of them, in one direction or the other
	// (RFC 4301 §5.2 step 4). Nil: whatever the group's policy permits.
	Selectors policy.List
	// Class names the traffic that the SA protects; see SetPolicy.Classes.
	Class   int
	SIDBits int
	SIDs    []SID
	// Send says that the TEK is sent with already: the same as an ActivateSA right after.
	Send bool
}

// ActivateSA is an effect: send with this SPI from now on what belongs to Class. A class has at most one sending SPI.
type ActivateSA struct {
	Group string
	Class int
	SPI   SPI
}

// RetireSA is an effect: forget the keys of this SPI, for sending and receiving.
type RetireSA struct {
	Group  string
	SPI    SPI
	Reason string
}

// Mode says how strict a member is with traffic that the policy wants encrypted. A group that is being migrated goes
// from ModeReceiveOnly through ModePassive to ModeFull, and loses nothing on the way.
type Mode uint8

// Modes.
const (
	ModeFull        Mode = iota // send encrypted, accept encrypted only
	ModePassive                 // send encrypted, accept both
	ModeReceiveOnly             // send in clear, accept both
)

var modeNames = [...]string{"full", "passive", "receive-only"}

// String is the word of configuration files and consoles.
func (m Mode) String() string { return modeNames[m] }

// ParseMode reads that word.
func ParseMode(s string) (Mode, error) {
	for i, n := range modeNames {
		if n == s {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("gdoi: mode %q; use full, passive or receive-only", s)
}

// SetPolicy is an effect: what to encrypt. Registered false means that the member holds no keys: fail closed, or as
// the operator configured.
type SetPolicy struct {
	Group  string
	Policy policy.List
	// Classes has an entry for each rule of Policy: the class whose sending SA (ActivateSA) protects what the rule
	// permits; 0 for deny rules. Classes are numbers of the member's own, from 0, and never name other traffic later. Nil:
	// all rules belong to class 0. A class without a sending SA drops, it never sends in clear.
	Classes []int
	Mode    Mode
	// Also holds other access lists of the group that are in force somewhere while its policy changes: what one of them
	// lets pass in clear is accepted in clear.
	Also       []policy.List
	Registered bool
}

// SetTime is an effect: the time of the group, as of now and from now on. Everything sent is stamped with it, and what
// arrives with a stamp must be inside the window. It comes before the InstallSA of the same step, and holds for them too.
type SetTime struct {
	Group string
	// On false ends it: the rest means nothing.
	On bool
	// Time is the pseudotime at At; from then on it runs Drift parts per billion faster than the member's monotonic clock.
	At    machine.Instant
	Time  time.Duration
	Drift int64
	// Window is how far a stamp may be from the time; 0: stamps are not judged.
	Window time.Duration
	// Demand lists SAs under which nothing passes without a stamp.
	Demand []SPI
}

// JoinMulticast is an effect: receive what is sent to a multicast group from now on, as rekeys are. Address is the group's
// with the UDP port. It names no interface: that is where the key servers are.
type JoinMulticast struct {
	Group   string
	Address netip.AddrPort
}

// LeaveMulticast is an effect: the contrary.
type LeaveMulticast struct {
	Group   string
	Address netip.AddrPort
}

// CmdRekey is an operator's command to a key server: new keys now, through an ordinary rollover. Answered by
// CommandResult, as all commands.
type CmdRekey struct {
	Group string
	// KEK also replaces the key-encryption key.
	KEK bool
	ID  uint64
}

// CmdClearMember is an operator's command to a key server: take a member off the list. It must register again.
type CmdClearMember struct {
	Group string
	// Member is its address, or its identity.
	Member string
	ID     uint64
}

// CmdRemoveMember is an operator's command to a key server: exclude members from the group. They are refused from now on,
// and all others get keys that the removed cannot have.
type CmdRemoveMember struct {
	Group string
	// Members are addresses or identities; several are removed at once.
	Members []string
	// Now ends the old keys at once, which loses packets; otherwise they end as in any rollover.
	Now bool
	ID  uint64
}

// CmdReadmit is an operator's command to a key server: who was removed may register again.
type CmdReadmit struct {
	Group  string
	Member string
	ID     uint64
}

// CmdClearMembers is an operator's command to a key server: everybody must register again, keeping the keys meanwhile, or,
// with Now, losing them at once.
type CmdClearMembers struct {
	Group string
	Now   bool
	ID    uint64
}

// CmdHandover is an operator's command to the primary key server of a group: let another one be primary.
type CmdHandover struct {
	Group string
	// To is its number or address; empty: the one that an election would choose.
	To string
	ID uint64
}

// CmdRotate is an operator's command to a key server: another key of the custody signs rekeys from now on, and the one of
// before is destroyed when nothing needs it. The shell has made the key.
type CmdRotate struct {
	Group string
	// Key is its name, Public its public half, DER SubjectPublicKeyInfo.
	Key    string
	Public []byte
	ID     uint64
}

// CmdReregister is an operator's command to a member: register again now, keeping the keys until then.
type CmdReregister struct {
	Group string
	ID    uint64
}

// CommandResult is the effect that answers a command.
type CommandResult struct {
	ID uint64
	// Err says what was wrong; empty is success.
	Err string
	// Text says what was done.
	Text string
}

// DataPlaneKind says what a DataPlaneReport is about.
type DataPlaneKind uint8

// Kinds of reports.
const (
	// SeqLow: the counter space of every sender id under the SPI is nearly used up.
	SeqLow DataPlaneKind = iota + 1
	// UnknownSPI: ESP packets with an SPI that is not installed arrive, so the others may have newer keys.
	UnknownSPI
	// OutOfTime: what arrives is dropped for its time stamps, and nothing else comes, so the clock may be wrong.
	OutOfTime
)

// DataPlaneReport is an event from the data plane to a member: it registers again.
type DataPlaneReport struct {
	Group string
	SPI   SPI
	Kind  DataPlaneKind
}

// MachineEffect marks the type.
func (JoinMulticast) MachineEffect() {}

// MachineEffect marks the type.
func (LeaveMulticast) MachineEffect() {}

// MachineEffect marks the type.
func (InstallSA) MachineEffect() {}

// MachineEffect marks the type.
func (ActivateSA) MachineEffect() {}

// MachineEffect marks the type.
func (RetireSA) MachineEffect() {}

// MachineEffect marks the type.
func (SetTime) MachineEffect() {}

// MachineEffect marks the type.
func (SetPolicy) MachineEffect() {}

// MachineEffect marks the type.
func (CommandResult) MachineEffect() {}

// MachineEvent marks the type.
func (CmdRekey) MachineEvent() {}

// MachineEvent marks the type.
func (CmdClearMember) MachineEvent() {}

// MachineEvent marks the type.
func (CmdReregister) MachineEvent() {}

// MachineEvent marks the type.
func (DataPlaneReport) MachineEvent() {}

// CmdStop is a command to either node: end all sessions in order and forget all keys. Answered by CommandResult; no
// other event may follow.
type CmdStop struct{ ID uint64 }

// MachineEvent marks the type.
func (CmdStop) MachineEvent() {}

// MachineEvent marks the type.
func (CmdRemoveMember) MachineEvent() {}

// MachineEvent marks the type.
func (CmdReadmit) MachineEvent() {}

// MachineEvent marks the type.
func (CmdClearMembers) MachineEvent() {}

// MachineEvent marks the type.
func (CmdHandover) MachineEvent() {}

// MachineEvent marks the type.
func (CmdRotate) MachineEvent() {}
