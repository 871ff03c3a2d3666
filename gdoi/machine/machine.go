// Package machine is the contract between protocol code and the world.
//
// Everything under gdoi/ is a state machine without I/O: it reads no clock, opens no socket, starts no
// goroutine and logs nothing. A shell (the daemon, the simulator, a test) feeds it events, one at a time,
// and carries out the effects that it returns, in order:
//
//	          Datagram, Timeout, Persisted, Signed, Command
//	shell  ────────────────────────────────────────────────▶  Machine
//	       ◀────────────────────────────────────────────────
//	          Send, Persist, Sign, Note, (domain effects)
//
// Because time, randomness and the network are arguments, the same code runs against real sockets, in virtual
// time with thousands of members, and in tests that replay one conversation byte for byte.
//
// Concurrency: a Machine belongs to one goroutine. Snapshots that it hands out are values.
package machine

import (
	"net/netip"
	"time"
)

// Instant is a point on a monotonic time line, in nanoseconds since an origin that the shell chose.
// Only differences mean anything; it never jumps.
type Instant int64

// Add returns the instant d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }

// Now is the time of one step: Mono drives timers, Wall is for what outlives the process (key expiry,
// certificates, pseudotime).
type Now struct {
	Mono Instant
	Wall time.Time
}

// Event is an input of a machine. Domain packages add their own.
type Event interface{ MachineEvent() }

// Effect is an output of a machine, carried out by the shell in the order of the list. Domain packages
// (package gdoi) add their own.
type Effect interface{ MachineEffect() }

// Effects is an append-only list: Step gets one and returns it, longer.
type Effects []Effect

// Machine is a protocol state machine.
type Machine interface {
	// Step takes one event and appends what must be done. It never blocks.
	Step(now Now, ev Event, out Effects) Effects
	// Deadline says when Step(now, Timeout{}) wants to be called next; false means never.
	// A call that comes early changes nothing.
	Deadline() (Instant, bool)
}

// Datagram is a UDP datagram that arrived. Bytes belong to the machine only during Step: it copies what it keeps.
type Datagram struct {
	Local, Remote netip.AddrPort
	Bytes         []byte
}

// Timeout says that the time of a Deadline has come.
type Timeout struct{}

// Persisted answers a Persist effect.
type Persisted struct {
	ID  PersistID
	Err error
}

// Signed answers a Sign effect.
type Signed struct {
	ID        OpID
	Signature []byte
	Err       error
}

// PersistID names a Persist effect; zero names none.
type PersistID uint64

// OpID names a custody operation.
type OpID uint64

// Send transmits a datagram. If After is not zero, the shell holds it back until that Persist has succeeded,
// and drops it if the Persist failed: "durable first" is data, not a convention.
// A Send with After that names an already finished Persist goes out at once.
type Send struct {
	Local, Remote netip.AddrPort
	Bytes         []byte
	After         PersistID
}

// Locals are the addresses that a node sends from: one, or one of each address family.
type Locals struct{ First, Other netip.AddrPort }

// For is the one from which a peer is reached.
func (l Locals) For(remote netip.Addr) netip.AddrPort {
	if l.Other.IsValid() && l.Other.Addr().Unmap().Is4() == remote.Unmap().Is4() {
		return l.Other
	}
	return l.First
}

// Record is one durable fact. A nil Value deletes it.
type Record struct {
	Bucket string
	Key    string
	Value  []byte
}

// Persist makes the records durable in one transaction; the shell answers with Persisted.
type Persist struct {
	ID      PersistID
	Records []Record
}

// SignScheme is a signature's form.
type SignScheme uint8

// Signature forms (reference: RFC 6407 §5.3.6.1, RFC 2409 §5.1).
const (
	SignRSAPKCS1    SignScheme = iota + 1 // EMSA-PKCS1-v1_5 with DigestInfo, RFC 6407
	SignRSABare                           // PKCS#1 type 1 padding of the bare digest, IKEv1 phase 1
	SignECDSAConcat                       // r | s, fixed width, RFC 4754
)

// Hash names a digest.
type Hash uint8

// Digests.
const (
	SHA1 Hash = iota + 1
	SHA256
	SHA384
	SHA512
)

// Sign asks the key custody for a signature over Digest with the key that Key names; the shell answers with
// Signed. A token may take 100 ms or be gone, so this is an effect and not a call.
type Sign struct {
	ID     OpID
	Key    string
	Scheme SignScheme
	Hash   Hash
	Digest []byte
}

// MachineEvent marks the type.
func (Datagram) MachineEvent() {}

// MachineEvent marks the type.
func (Timeout) MachineEvent() {}

// MachineEvent marks the type.
func (Persisted) MachineEvent() {}

// MachineEvent marks the type.
func (Signed) MachineEvent() {}

// MachineEffect marks the type.
func (Send) MachineEffect() {}

// MachineEffect marks the type.
func (Persist) MachineEffect() {}

// MachineEffect marks the type.
func (Sign) MachineEffect() {}
