package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Common is what both daemons have.
type Common struct {
	File     string // where it was read from
	Name     string // shown in consoles
	Control  string // path of the control socket
	State    string // directory for what must survive a restart
	Log      Log
	Phase1   Phase1
	Identity Identity
	// Certificates is nil when phase 1 goes by pre-shared keys alone.
	Certificates *Certificates
	Custody      *Custody // nil: keys in files under State
	Metrics      *Metrics // nil: there are none
	Warnings     []string // with places; a daemon logs them loudly
	Hints        []string // with places; what is right in some networks, for whoever checks the file
}

// Log says what is logged, and how.
type Log struct {
	Level  string // debug, info, warning, error
	Format string // text, json, or auto: text on a terminal
}

// Metrics says where Prometheus reads them: one of these.
type Metrics struct {
	Address netip.AddrPort
	Socket  string // path of a unix socket
}

// Phase1 is the policy for IKEv1 Main Mode.
type Phase1 struct {
	Suites    []suite.Phase1
	Lifetime  time.Duration
	DPD       time.Duration // how long a silent peer stays unasked; 0: never ask
	AllowSHA1 bool
	Allow     []suite.Phase1 // old suites, after all others

	at *value // where the suites are written; nil: nowhere
}

// Identity is this node's phase-1 identity: one of these.
type Identity struct {
	Address netip.Addr
	Other   netip.Addr // with Address, that of the other family: peers see the one of the family that they speak
	FQDN    string
	Email   string
	DN      string // the subject of the certificate (RFC 4514), or the word "subject"
}

// String is the identity as text.
func (i Identity) String() string {
	switch {
	case i.FQDN != "":
		return i.FQDN
	case i.Email != "":
		return i.Email
	case i.DN != "":
		return i.DN
	}
	if i.Other.IsValid() {
		return fmt.Sprintf("%s, %s", i.Address, i.Other)
	}
	return i.Address.String()
}

// Endpoints are where a daemon speaks from: one address, or an IPv4 and an IPv6 one in this order.
type Endpoints []netip.AddrPort

// Of is the endpoint of the address family of a; the zero value when there is none.
func (e Endpoints) Of(a netip.Addr) netip.AddrPort {
	for _, x := range e {
		if x.Addr().Is4() == a.Unmap().Is4() {
			return x
		}
	}
	return netip.AddrPort{}
}

// String is the endpoints with commas between.
func (e Endpoints) String() string {
	var s []string
	for _, x := range e {
		s = append(s, x.String())
	}
	return strings.Join(s, ", ")
}

// GroupID is a group's identity on the wire (ID_KEY_ID, RFC 6407 §5.1) and its printable form.
type GroupID struct {
	Octets string
	Text   string
}

// KS is a key server's configuration.
type KS struct {
	Common
	Listen Endpoints
	PSKs   []PSK // most specific prefix first
	Groups []KSGroup
	// Cooperation is nil when this key server is alone.
	Cooperation *Cooperation
	Faults      Faults
}

// Faults are put in on purpose, to see what others make of them.
type Faults struct {
	StoreDelay time.Duration // each write to the store takes so much longer
	StoreFails bool          // it writes nothing
	TokenDelay time.Duration // each call into the token takes so much longer
	TokenGone  bool          // it is as if it were pulled out
	TokenFull  bool          // it has no place for another key
}

// PSK is the pre-shared key of the peers in a prefix.
type PSK struct {
	Peer   netip.Prefix
	Secret *machine.Secret
}

// KSGroup is one group on a key server.
type KSGroup struct {
	Name      string
	ID        GroupID
	Authorise policy.Authorisation
	Policy    policy.List // nil with SAs
	TEK       TEK         // of SAs that name none
	SAs       []SA
	Mode      gdoi.Mode
	KEK       KEK
	Rekey     Rekey

	AntiReplay AntiReplay

	SenderIDs SenderIDs
	Priority  int          // in elections of the primary key server; 0: there is no cooperation
	Lists     []AccessList // the same rules with their places
}

// AccessList is the access list of one SA of a group; those of a group are searched one after the other, as if they were
// one.
type AccessList struct {
	SA    string // empty: the group has only one
	Rules policy.List
	Lines []int // of the rules, in the file
	Suite suite.ESP
}

// SA is one of several security associations of a group.
type SA struct {
	Name        string
	Match       policy.List
	TEK         TEK
	PerSelector bool // an SPI for each permit
}

// TEK says how traffic keys are made.
type TEK struct {
	Suite    suite.ESP
	Lifetime time.Duration
}

// SenderIDs is the range of RFC 6054 sender identifiers that this key server hands out.
type SenderIDs struct {
	Bits  int
	First uint32
	Count uint32 // 0: to the end of the space
	// KSSIDBits are the high bits that name a key server; 0: First and Count were given themselves.
	KSSIDBits int
}

// GM is a group member's configuration.
type GM struct {
	Common
	Local      Endpoints
	Interfaces Interfaces
	OnExit     string // remove or keep: what an orderly stop does with the kernel's guard rules
	Groups     []GMGroup
}

// Interfaces names the member's network interfaces.
type Interfaces struct {
	LAN []string
	WAN string
	TUN string
	MTU int // of the WAN; 0: follow the interface

	DataPath string // one of the DataPath constants
	Workers  int    // pairs of goroutines that move packets; 0: one

	Fragmentation string // one of the Fragment constants
	DFBit         string // one of the DF constants
}

// Where an IPv4 packet is cut that is too long in ESP.
const (
	FragmentBefore = "before" // before encryption
	FragmentAfter  = "after"  // after it
	FragmentNever  = "never"  // its sender is told
)

// DF of the outer IPv4 header.
const (
	DFCopy  = "copy"
	DFClear = "clear"
	DFSet   = "set"
)

// Data paths: by the WAN side, and the portable one.
const (
	DataPathAuto   = "auto"   // the fastest that this system has
	DataPathXDP    = "xdp"    // AF_XDP
	DataPathPacket = "packet" // AF_PACKET
	DataPathRaw    = "raw"    // raw sockets
	DataPathWater  = "water"  // raw sockets, and a TUN without super-packets
)

// GMGroup is one group on a member.
type GMGroup struct {
	Name         string
	ID           GroupID
	KeyServers   []KeyServer // as in the file
	Spread       bool        // each member has an order of its own; otherwise it is the file's
	FailOpen     bool
	Mode         *gdoi.Mode  // nil: what the key server says
	Clear        policy.List // local exceptions, deny rules only
	ClearLines   []int       // of these rules, in the file
	Suites       []suite.ESP // TEK suites that are accepted; nil: suite.ModernESP
	ReplayWindow int
	MSSClamp     MSSClamp
	Protect      []netip.Prefix

	// DestinationOnly accepts SAs that preserve the destination address alone.
	DestinationOnly bool
}

// KeyServer is where a member registers.
type KeyServer struct {
	Address   netip.AddrPort
	Secret    *machine.Secret
	Preferred bool // before those that are not, in either order
}

// MSSClamp says how the TCP maximum segment size is lowered: off, to what fits (auto), or to a number.
type MSSClamp struct {
	Off   bool
	Value int // 0 with Off unset: auto
}
