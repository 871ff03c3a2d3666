package isakmp

// fragmentLast is the flag of the last fragment.
const fragmentLast = 1

// Fragment is the payload of IKE fragmentation, a private type that products agree on (it is in no RFC). It stands alone
// in a message of its own, whose header has the cookies and the exchange type of the whole one; Data is a piece of the
// whole message, header included.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload=0|   RESERVED    |         Payload Length        |
//	+---------------+---------------+---------------+---------------+
//	|          Fragment ID          |    Number     | Flags: 1 last |
//	+---------------+---------------+---------------+---------------+
//	~                             Data                              ~
//	+---------------------------------------------------------------+
type Fragment struct {
	ID     uint16 // the same in all fragments of a message
	Number uint8  // from 1
	Last   bool
	Data   []byte
}

// ParseFragment reads the body of a fragment payload; Data aliases it.
func ParseFragment(body []byte) (Fragment, error) {
	c := read("fragment", body)
	p := Fragment{ID: c.u16("id"), Number: c.u8("number")}
	flags := c.u8("flags")
	p.Last, p.Data = flags == fragmentLast, c.some("data")
	if c.err == nil && (p.Number == 0 || flags > fragmentLast) {
		c.fail("number %d, flags %02x", p.Number, flags)
	}
	return p, c.done()
}

// Type is PayloadFragment.
func (Fragment) Type() PayloadType { return PayloadFragment }

// AppendBody appends id, number, flags and data.
func (p Fragment) AppendBody(b []byte) []byte {
	flags := byte(0)
	if p.Last {
		flags = fragmentLast
	}
	return append(append(put16(b, int(p.ID)), p.Number, flags), p.Data...)
}
