package isakmp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every error of a parser: the octets are not what the RFC draws. The text names the
// payload and the octet offset in its body, so that it can be found in a packet dump.
var ErrMalformed = errors.New("malformed message")

// cursor reads big-endian fields out of one payload. The first failure sticks and makes every later read return
// zero, so a parser reads its whole figure and asks once, in done or failed.
type cursor struct {
	b   []byte // what is left
	at  int    // offset of b[0] in the payload body
	in  string // payload name, for the error
	err error
}

func read(in string, body []byte) cursor { return cursor{b: body, in: in} }

// fail records the first failure, at the current offset.
func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("isakmp: %s, octet %d: %s: %w", c.in, c.at, fmt.Sprintf(format, args...), ErrMalformed)
		c.b = nil
	}
}

// take returns the next n octets, aliasing the input.
func (c *cursor) take(n int, field string) []byte {
	if c.err != nil {
		return nil
	}
	if n < 0 || n > len(c.b) {
		c.fail("%s needs %d octets, %d are left", field, n, len(c.b))
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	c.at += n
	return v
}

// rest returns all octets that are left.
func (c *cursor) rest() []byte { return c.take(len(c.b), "rest") }

// some returns all octets that are left and fails when there are none.
func (c *cursor) some(field string) []byte {
	if len(c.b) == 0 {
		c.fail("%s is empty", field)
	}
	return c.rest()
}

func (c *cursor) u8(field string) uint8 {
	if v := c.take(1, field); v != nil {
		return v[0]
	}
	return 0
}

func (c *cursor) u16(field string) uint16 {
	if v := c.take(2, field); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (c *cursor) u32(field string) uint32 {
	if v := c.take(4, field); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// zero skips n reserved octets, which RFC 2408 §5.3 and RFC 6407 §5 want to be zero and a receiver to check.
func (c *cursor) zero(n int) {
	for _, v := range c.take(n, "reserved field") {
		if v != 0 {
			c.at -= n
			c.fail("reserved field of %d octets is not zero", n)
			return
		}
	}
}

// payload reads the generic header of a payload of type t (RFC 2408 §3.2, §5.3: the reserved octet must be zero) and
// returns a cursor over its body.
func (c *cursor) payload(t PayloadType) (next PayloadType, body cursor) {
	next = PayloadType(c.u8("next payload"))
	c.zero(1)
	n := int(c.u16("payload length"))
	if n < genericLen {
		c.fail("payload %v has length %d, less than its header", t, n)
	}
	return next, c.sub(n-genericLen, "payload "+t.String())
}

// sub returns a cursor over the next n octets that keeps counting offsets in the same body.
func (c *cursor) sub(n int, field string) cursor {
	s := cursor{at: c.at, in: c.in}
	s.b, s.err = c.take(n, field), c.err
	return s
}

// join takes over the failure of a cursor made by sub.
func (c *cursor) join(s *cursor) {
	if c.err == nil && s.err != nil {
		c.err, c.b = s.err, nil
	}
}

// done returns the failure, or fails when octets are left.
func (c *cursor) done() error {
	if len(c.b) != 0 {
		c.fail("%d octets are left after the last field", len(c.b))
	}
	return c.err
}

func put16(b []byte, v int) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }

func put32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// wrap takes over the error of a parser that read a part of this body which started at the given offset.
func (c *cursor) wrap(at int, err error) {
	if c.err == nil && err != nil {
		c.err, c.b = fmt.Errorf("isakmp: %s, octet %d: %w", c.in, at, err), nil
	}
}
