package coop

import (
	"encoding/binary"
	"errors"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// reader takes fields off a message; after a failure everything is zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(text string) {
	if r.err == nil {
		r.err = errors.New(text)
	}
	r.b = nil
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail("too short")
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) term() uint64 {
	t := r.u64()
	if t > maxTerm {
		r.fail("term out of range")
	}
	return t
}

func (r *reader) version() Version { return Version{r.term(), r.u64()} }

// id reads the number of a key server; zero only where none is allowed.
func (r *reader) id(none bool) ID {
	id := ID(r.u8())
	if id > MaxKeyServers || id == 0 && !none {
		r.fail("no such key server")
	}
	return id
}

// key reads a public key, which is not looked into.
func (r *reader) key() []byte {
	n := int(r.u16())
	if n == 0 || n > maxKeyDER {
		r.fail("no key, or too long a one")
		return nil
	}
	return append([]byte(nil), r.take(n)...)
}

func (r *reader) text(limit int) string {
	n := int(r.u16())
	if n > limit {
		r.fail("text too long")
		return ""
	}
	b := r.take(n)
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			r.fail("control characters in a text")
			return ""
		}
	}
	return string(b)
}

func (r *reader) records() []machine.Record {
	n := int(r.u32())
	if n > len(r.b)/6 {
		r.fail("more records than octets")
		return nil
	}
	out := make([]machine.Record, 0, min(n, 1<<16))
	for range n {
		key := string(r.take(int(r.u16())))
		var value []byte
		if size := r.u32(); size > 0 {
			if v := r.take(int(size - 1)); v != nil {
				value = append(make([]byte, 0, len(v)), v...)
			}
		}
		if r.err != nil {
			WipeRecords(out)
			return nil
		}
		out = append(out, machine.Record{Key: key, Value: value})
	}
	return out
}
