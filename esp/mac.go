package esp

import (
	"encoding"
	"hash"
)

// mac is HMAC (RFC 2104) under one key, as the states of the hash behind the inner and the outer pad. It does not
// change, so all goroutines share it; the running hash is in their Context. That is what crypto/hmac does inside, but its
// objects belong to one goroutine each, and would leave the key behind in every Context.
type mac struct {
	kind         hashKind
	icv          int
	inner, outer []byte // marshaled states
}

// digest is a running hash.
type digest struct {
	hash.Hash
	state encoding.BinaryUnmarshaler
}

func newMAC(kind hashKind, key []byte) (m mac, err error) {
	info := &hashes[kind]
	pad := make([]byte, info.pads)
	defer clear(pad)
	// A key has the length of the digest, which is never longer than a block.
	state := func(x byte) ([]byte, error) {
		for i := range pad {
			pad[i] = x
		}
		for i, k := range key {
			pad[i] ^= k
		}
		h := info.new()
		h.Write(pad)
		defer wipe(h)
		return h.(encoding.BinaryMarshaler).MarshalBinary()
	}
	m.kind, m.icv = kind, info.icv
	if m.inner, err = state(0x36); err != nil {
		return m, err
	}
	m.outer, err = state(0x5c)
	return m, err
}

// sum returns the whole HMAC of b in the Context; the next sum overwrites it. It panics if the hash does not take its
// own states back.
func (m *mac) sum(c *Context, b []byte) []byte {
	d := &c.digests[m.kind]
	if d.Hash == nil {
		h := hashes[m.kind].new()
		*d = digest{h, h.(encoding.BinaryUnmarshaler)}
	}
	resume(d, m.inner)
	d.Write(b)
	inner := d.Sum(c.sum[:0])
	resume(d, m.outer)
	d.Write(inner)
	out := d.Sum(c.sum[:0])
	d.Reset() // no state of the key stays in the Context
	return out
}

func resume(d *digest, state []byte) {
	if err := d.state.UnmarshalBinary(state); err != nil {
		panic("esp: " + err.Error())
	}
}

func (m *mac) destroy() {
	clear(m.inner)
	clear(m.outer)
}
