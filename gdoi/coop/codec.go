package coop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// The octets of a message, numbers in network order:
//
//	version (1)  kind (1)  length of the group's id (1)  group's id  body
//
// A string is its length (2) and octets. Records are their number (4), then for each a string for the key, and the
// length of the value plus one (4), zero for a deletion, and the value. Their bucket is the group.

// ErrMalformed is what Decode wraps.
var ErrMalformed = errors.New("coop: malformed message")

// Bounds of what is accepted.
const (
	maxTerm     = 1 << 56
	maxLines    = 4096
	maxSoftware = 64
	maxKeyDER   = 4096
	maxWhy      = 512
)

// Encode makes the octets of a message about a group.
func Encode(group string, m Message) []byte {
	b := make([]byte, 0, sizeHint(m))
	b = append(b, ProtocolVersion, byte(m.kind()), byte(len(group)))
	return m.encode(append(b, group...))
}

// sizeHint avoids that keys stay behind in buffers that grew.
func sizeHint(m Message) int {
	n := 512
	var records []machine.Record
	switch m := m.(type) {
	case *Join:
		records = m.Records
	case *State:
		records = m.Records
	case *Report:
		records = m.Records
	case *Policy:
		for _, l := range m.Lines {
			n += len(l) + 2
		}
	case *Key:
		n += len(m.DER)
	}
	for _, r := range records {
		n += len(r.Key) + len(r.Value) + 6
	}
	return n
}

// GroupOf says which group a message is about, and in which version it is.
func GroupOf(b []byte) (group string, version uint8, err error) {
	if len(b) < 3 || len(b) < 3+int(b[2]) {
		return "", 0, fmt.Errorf("%w: no header in %d octets", ErrMalformed, len(b))
	}
	return string(b[3 : 3+int(b[2])]), b[0], nil
}

// Decode reads a message. Nothing in it aliases b.
func Decode(b []byte) (string, Message, error) {
	group, version, err := GroupOf(b)
	if err != nil {
		return "", nil, err
	}
	if version != ProtocolVersion {
		return group, nil, fmt.Errorf("%w: version %d, not %d; all key servers of a group have to run releases that speak one version", ErrMalformed, version, ProtocolVersion)
	}
	var m Message
	switch kind(b[1]) {
	case kindStatus:
		m = new(Status)
	case kindKey:
		m = new(Key)
	case kindPolicy:
		m = new(Policy)
	case kindJoin:
		m = new(Join)
	case kindState:
		m = new(State)
	case kindHave:
		m = new(Have)
	case kindReport:
		m = new(Report)
	case kindReported:
		m = new(Reported)
	case kindRejoin:
		m = new(Rejoin)
	case kindBroken:
		m = new(Broken)
	case kindHandover:
		m = new(Handover)
	default:
		return group, nil, fmt.Errorf("%w: kind %d", ErrMalformed, b[1])
	}
	r := &reader{b: b[3+len(group):]}
	m.decode(r)
	if len(r.b) > 0 {
		r.fail("octets after the end")
	}
	if r.err != nil {
		return group, nil, fmt.Errorf("%w: kind %d: %s", ErrMalformed, b[1], r.err)
	}
	return group, m, nil
}

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

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendVersion(b []byte, v Version) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, v.Term), v.N)
}

func appendRecords(b []byte, records []machine.Record) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(records)))
	for _, r := range records {
		b = appendText(b, r.Key)
		if r.Value == nil {
			b = binary.BigEndian.AppendUint32(b, 0)
			continue
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(r.Value))+1)
		b = append(b, r.Value...)
	}
	return b
}

// printable cuts a text to what a message takes.
func printable(s string, limit int) string {
	b := []byte(s)
	b = slices.DeleteFunc(b, func(c byte) bool { return c < ' ' || c == 0x7f })
	return string(b[:min(len(b), limit)])
}
