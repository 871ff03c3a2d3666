package gdoi

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// GroupID is the identity of a group as members ask for it: the octets of an ID payload of type ID_KEY_ID
// (RFC 6407 §3.2, RFC 2407 §4.6.2.12).
type GroupID string

// GroupIDFromUint32 is the identity that consoles write as a number: 4 octets, big-endian.
func GroupIDFromUint32(n uint32) GroupID {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return GroupID(b[:])
}

// String is the number for 4 octets, the text if it is printable ASCII, else hexadecimal digits.
func (g GroupID) String() string {
	if len(g) == 4 {
		return fmt.Sprint(binary.BigEndian.Uint32([]byte(g)))
	}
	for i := 0; i < len(g); i++ {
		if g[i] <= ' ' || g[i] > '~' {
			return "0x" + hex.EncodeToString([]byte(g))
		}
	}
	return string(g)
}

// SPI names a TEK on the wire of ESP (RFC 4303 §2.1).
type SPI uint32

// MinSPI is the smallest SPI that is not reserved (RFC 4303 §2.1: 0 to 255 are).
const MinSPI SPI = 256

// String is 8 hexadecimal digits.
func (s SPI) String() string { return fmt.Sprintf("%08x", uint32(s)) }

// KEKSPI names a KEK: the two cookies of a GROUPKEY-PUSH header (RFC 6407 §5.3).
type KEKSPI [16]byte

// String is 32 hexadecimal digits.
func (s KEKSPI) String() string { return hex.EncodeToString(s[:]) }

// IsZero tells the zero value, which names no KEK.
func (s KEKSPI) IsZero() bool { return s == KEKSPI{} }

// SID is a sender id (RFC 6054 §3): the high bits of a sender's IVs.
type SID uint32

// TEK is a traffic-encryption key with its place in time.
type TEK struct {
	SPI   SPI
	Suite suite.ESP
	// Key is the algorithm key, then the integrity key: Suite.KeymatLen octets.
	Key *machine.Secret
	// Created is when the key came into being (key server) or was first heard of (member).
	Created time.Time
	// SendAfter is when sending with it begins; before that it is received only.
	SendAfter time.Time
	// Expires is the hard end: not received after it, and destroyed.
	Expires time.Time
	// Epoch counts the TEKs of a group; a member numbers them as it hears of them.
	Epoch uint64
}

// Clone returns a copy with its own secret.
func (t TEK) Clone() TEK {
	t.Key = t.Key.Clone()
	return t
}

// Phase is where a TEK is in its life.
type Phase uint8

// Phases of a TEK.
//
//	waiting ──SendAfter──▶ sending ──newer TEK sending──▶ draining ──Expires──▶ expired
const (
	PhaseWaiting  Phase = iota // received, not yet sent with
	PhaseSending               // sent with
	PhaseDraining              // still received, no longer sent with
	PhaseExpired
)

// String is the word of the control socket.
func (p Phase) String() string {
	switch p {
	case PhaseWaiting:
		return "waiting"
	case PhaseSending:
		return "sending"
	case PhaseDraining:
		return "draining"
	default:
		return "expired"
	}
}
