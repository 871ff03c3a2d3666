package isakmp

import (
	"encoding/binary"
	"fmt"
)

// Attribute is a data attribute, RFC 2408 §3.3:
//
//	+-+-----------------------------+-------------------------------+
//	|1|       Attribute Type        |       Attribute Value         |   Basic ("TV")
//	+-+-----------------------------+-------------------------------+
//
//	+-+-----------------------------+-------------------------------+
//	|0|       Attribute Type        |       Attribute Length        |   Variable ("TLV")
//	+-+-----------------------------+-------------------------------+
//	~                        Attribute Value                        ~
//
// RFC 2409 appendix A lets a sender use Basic for a Variable attribute that fits; Uint hides the difference, and Basic
// is kept so that a transform can be returned unmodified.
type Attribute struct {
	// Type has 15 bits.
	Type uint16
	// Basic tells the form; Value has 2 octets then.
	Basic bool
	Value []byte
}

// BasicAttr makes an attribute in Basic form.
func BasicAttr(t, v uint16) Attribute {
	return Attribute{t, true, []byte{byte(v >> 8), byte(v)}}
}

// LongAttr makes an attribute in Variable form.
func LongAttr(t uint16, v []byte) Attribute { return Attribute{t, false, v} }

// UintAttr makes an attribute in Variable form holding the size low octets of v (size 1..8): lifetimes have 4.
func UintAttr(t uint16, v uint64, size int) Attribute {
	return Attribute{t, false, binary.BigEndian.AppendUint64(nil, v)[8-size:]}
}

// Uint is the value as a number, whichever form it has.
func (a Attribute) Uint() (uint64, error) {
	if len(a.Value) == 0 || len(a.Value) > 8 {
		return 0, fmt.Errorf("isakmp: attribute %d: a number of %d octets: %w", a.Type, len(a.Value), ErrMalformed)
	}
	var v uint64
	for _, o := range a.Value {
		v = v<<8 | uint64(o)
	}
	return v, nil
}

// FindAttribute returns the first attribute of type t.
func FindAttribute(as []Attribute, t uint16) (Attribute, bool) {
	for _, a := range as {
		if a.Type == t {
			return a, true
		}
	}
	return Attribute{}, false
}

// ParseAttributes reads a list of attributes that fills b. Values alias b.
func ParseAttributes(b []byte) ([]Attribute, error) {
	c := read("attributes", b)
	as := c.attributes()
	return as, c.done()
}

// AppendAttributes appends the list.
func AppendAttributes(b []byte, as []Attribute) []byte {
	for _, a := range as {
		if a.Basic {
			b = put16(b, int(a.Type)|0x8000)
		} else {
			b = put16(put16(b, int(a.Type)), len(a.Value))
		}
		b = append(b, a.Value...)
	}
	return b
}

// attributes reads attributes until the cursor is empty. Type 0 is reserved in every registry; refusing it catches
// figures read at the wrong offset.
func (c *cursor) attributes() []Attribute {
	if len(c.b) == 0 {
		return nil
	}
	as := make([]Attribute, 0, min(len(c.b)/4, 8))
	for len(c.b) > 0 {
		t := c.u16("attribute type")
		a := Attribute{Type: t &^ 0x8000, Basic: t&0x8000 != 0}
		if a.Type == 0 {
			c.fail("attribute type 0")
		}
		if a.Basic {
			a.Value = c.take(2, "attribute value")
		} else {
			a.Value = c.take(int(c.u16("attribute length")), "attribute value")
		}
		as = append(as, a)
	}
	return as
}
