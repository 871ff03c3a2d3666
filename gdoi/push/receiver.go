package push

import (
	"crypto/sha256"
	"errors"
)

// rememberedDigests is how many accepted messages a retransmission is recognised by; a key server repeats the last one
// or two.
const rememberedDigests = 8

// Receiver is a member's rekey SA: a KEK with its replay state.
type Receiver struct {
	key  *Key
	last uint32
	seen [][sha256.Size]byte
}

// NewReceiver takes over key. last is the sequence number of the PULL (RFC 6407 §3.2), 0 for a KEK that came by PUSH.
func NewReceiver(key *Key, last uint32) *Receiver { return &Receiver{key: key, last: last} }

// Key returns the KEK.
func (r *Receiver) Key() *Key { return r.key }

// Last is the last accepted sequence number.
func (r *Receiver) Last() uint32 { return r.last }

// Raise takes the sequence number of another PULL under the same KEK: a lower one is stale and ignored (§3.3).
func (r *Receiver) Raise(last uint32) { r.last = max(r.last, last) }

// Open reads a datagram as the function Open does. It takes the exact duplicate of an accepted message first
// (§7.3.4), and remembers the sequence number of every genuine one.
func (r *Receiver) Open(datagram []byte) (*Message, error) {
	digest := sha256.Sum256(datagram)
	for _, d := range r.seen {
		if d == digest {
			return nil, discard(false, ErrDuplicate)
		}
	}
	m, err := Open(r.key, r.last, datagram)
	var e *Error
	if err != nil && !(errors.As(err, &e) && e.Genuine) {
		return nil, err
	}
	r.last = m.Seq
	if len(r.seen) == rememberedDigests {
		r.seen = append(r.seen[:0], r.seen[1:]...)
	}
	r.seen = append(r.seen, digest)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Destroy wipes the KEK.
func (r *Receiver) Destroy() {
	if r != nil {
		r.key.Destroy()
	}
}
