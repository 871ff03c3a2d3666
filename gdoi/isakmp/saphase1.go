package isakmp

import "encoding/binary"

// Domains of interpretation and situations: RFC 2407 §4.2, RFC 6407 §2.1 and §5.2.
const (
	DOIIPsec              = 1
	DOIGDOI               = 2
	SituationIdentityOnly = 1 // SIT_IDENTITY_ONLY of the IPsec DOI
	SituationGDOI         = 0
)

// Protocol and transform of the proposals of phase 1, RFC 2407 §4.4.1 and §4.4.2.
const (
	ProtoISAKMP  = 1
	TransformIKE = 1
)

// SAPhase1 is the SA payload of phase 1, RFC 2408 §3.4, with its proposals and their transforms inside:
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|              Domain of Interpretation  (DOI): 2               |
//	+---------------------------------------------------------------+
//	|                        Situation: 0                           |
//	+---------------------------------------------------------------+
//	~                          Proposals                            ~
//	+---------------------------------------------------------------+
//
// The GDOI SA of later exchanges has the same type and another layout: SAGDOI.
type SAPhase1 struct {
	DOI, Situation uint32
	Proposals      []Proposal
}

// Proposal is the P payload, RFC 2408 §3.5; Next Payload is 2, or 0 in the last one.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+---------------+---------------+
//	|  Proposal #   |  Protocol-Id  |    SPI Size   |# of Transforms|
//	+---------------+---------------+---------------+---------------+
//	~                        SPI (variable)                         ~
//	+---------------------------------------------------------------+
//	~                          Transforms                           ~
//	+---------------------------------------------------------------+
type Proposal struct {
	Number, Protocol uint8
	SPI              []byte
	Transforms       []Transform
}

// Transform is the T payload, RFC 2408 §3.6; Next Payload is 3, or 0 in the last one.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|  Transform #  |  Transform-Id |           RESERVED2           |
//	+---------------+---------------+-------------------------------+
//	~                        SA Attributes                          ~
//	+---------------------------------------------------------------+
type Transform struct {
	Number, ID uint8
	Attributes []Attribute
}

// ParseSAPhase1 reads the body of the SA payload of a phase-1 exchange. How many proposals and which DOI are good is
// for the exchange to say; here the figures must be whole and at least one proposal present.
func ParseSAPhase1(body []byte) (*SAPhase1, error) {
	c := read("SA", body)
	p := &SAPhase1{DOI: c.u32("DOI"), Situation: c.u32("situation")}
	for more := true; more && c.err == nil; {
		var s cursor
		s, more = c.link(PayloadProposal, len(p.Proposals))
		p.Proposals = append(p.Proposals, s.proposal())
		c.join(&s)
	}
	if err := c.done(); err != nil {
		return nil, err
	}
	return p, nil
}

// link opens the next element of a chain of payloads of one type: its header, then a cursor over its body.
func (c *cursor) link(t PayloadType, count int) (body cursor, more bool) {
	if count == MaxPayloads {
		c.fail("more than %d %v payloads", MaxPayloads, t)
	}
	next, body := c.payload(t)
	if next != PayloadNone && next != t {
		c.fail("next payload %v among %v payloads", next, t)
	}
	return body, next == t
}

func (c *cursor) proposal() Proposal {
	p := Proposal{Number: c.u8("proposal number"), Protocol: c.u8("protocol")}
	size, n := int(c.u8("SPI size")), int(c.u8("number of transforms"))
	p.SPI = c.take(size, "SPI")
	for more := n > 0; more && c.err == nil; {
		var s cursor
		s, more = c.link(PayloadTransform, len(p.Transforms))
		t := Transform{Number: s.u8("transform number"), ID: s.u8("transform id")}
		s.zero(2)
		t.Attributes = s.attributes()
		p.Transforms = append(p.Transforms, t)
		c.join(&s)
	}
	if len(p.Transforms) != n {
		c.fail("%d transforms, %d announced", len(p.Transforms), n)
	}
	_ = c.done()
	return p
}

// Type is PayloadSA.
func (SAPhase1) Type() PayloadType { return PayloadSA }

// AppendBody appends the body: what RFC 2409 §5 calls SAi_b.
func (p SAPhase1) AppendBody(b []byte) []byte {
	b = put32(put32(b, p.DOI), p.Situation)
	for i, r := range p.Proposals {
		end := openLink(&b, PayloadProposal, i == len(p.Proposals)-1)
		b = append(b, r.Number, r.Protocol, byte(len(r.SPI)), byte(len(r.Transforms)))
		b = append(b, r.SPI...)
		for j, t := range r.Transforms {
			tend := openLink(&b, PayloadTransform, j == len(r.Transforms)-1)
			b = append(b, t.Number, t.ID, 0, 0)
			b = AppendAttributes(b, t.Attributes)
			closeLink(b, tend)
		}
		closeLink(b, end)
	}
	return b
}

// openLink appends a generic header whose length closeLink fills in; it returns where the header starts.
func openLink(b *[]byte, next PayloadType, last bool) int {
	if last {
		next = PayloadNone
	}
	*b = append(*b, byte(next), 0, 0, 0)
	return len(*b) - genericLen
}

func closeLink(b []byte, start int) { binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start)) }
