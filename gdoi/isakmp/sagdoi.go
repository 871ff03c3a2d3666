package isakmp

// MaxSATs limits the TEK policies of one SA. Ours; 65535 octets hold no more than about 1800.
const MaxSATs = 2048

// SAGDOI is the SA payload of RFC 6407 §5.2. Its Payload Length covers the whole chain of attribute payloads, which is
// therefore inside this one payload: at most one SAK, at most one GAP, then SATs, and at least one SAK or SAT.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|                           DOI: 2                              |
//	+---------------------------------------------------------------+
//	|                         Situation: 0                          |
//	+-------------------------------+-------------------------------+
//	| SA Attribute Next Payload (2) |           RESERVED2           |
//	+-------------------------------+-------------------------------+
//	~                 SAK?  GAP?  SAT*  with headers                ~
//	+---------------------------------------------------------------+
type SAGDOI struct {
	DOI, Situation uint32
	SAK            *SAK
	GAP            *GAP
	SATs           []SAT
}

// ParseSAGDOI reads the body of the SA payload of a GROUPKEY-PULL or GROUPKEY-PUSH. DOI and situation must be GDOI's.
func ParseSAGDOI(body []byte) (*SAGDOI, error) {
	c := read("SA", body)
	p := &SAGDOI{DOI: c.u32("DOI"), Situation: c.u32("situation")}
	if c.err == nil && (p.DOI != DOIGDOI || p.Situation != SituationGDOI) {
		c.fail("DOI %d and situation %d, must be 2 and 0", p.DOI, p.Situation)
	}
	c.zero(1) // the payload type fits the second octet of its field
	next := PayloadType(c.u8("SA attribute next payload"))
	c.zero(2)
	for next != PayloadNone && c.err == nil {
		next = p.element(&c, next)
	}
	if c.err == nil && p.SAK == nil && len(p.SATs) == 0 {
		c.fail("no SAK and no SAT")
	}
	if err := c.done(); err != nil {
		return nil, err
	}
	return p, nil
}

// element reads one attribute payload of type t and returns the type of the next.
func (p *SAGDOI) element(c *cursor, t PayloadType) (next PayloadType) {
	switch {
	case t == PayloadSAK && p.SAK == nil && p.GAP == nil && p.SATs == nil:
	case t == PayloadGAP && p.GAP == nil && p.SATs == nil:
	case t == PayloadSAT && len(p.SATs) < MaxSATs:
	default:
		c.fail("attribute payload %v has no place here, the order is SAK, GAP, SAT", t)
		return PayloadNone
	}
	next, s := c.payload(t)
	if c.err != nil {
		return PayloadNone
	}
	var err error
	switch t {
	case PayloadSAK:
		p.SAK = new(SAK)
		*p.SAK, err = ParseSAK(s.b)
	case PayloadGAP:
		p.GAP = new(GAP)
		*p.GAP, err = ParseGAP(s.b)
	case PayloadSAT:
		var sat SAT
		sat, err = ParseSAT(s.b)
		p.SATs = append(p.SATs, sat)
	}
	c.wrap(s.at, err)
	return next
}

// Type is PayloadSA.
func (SAGDOI) Type() PayloadType { return PayloadSA }

// AppendBody appends the body with the whole chain.
func (p SAGDOI) AppendBody(b []byte) []byte {
	ps := make([]Payload, 0, 2+len(p.SATs))
	if p.SAK != nil {
		ps = append(ps, p.SAK)
	}
	if p.GAP != nil {
		ps = append(ps, p.GAP)
	}
	for i := range p.SATs {
		ps = append(ps, &p.SATs[i])
	}
	b = put32(put32(b, p.DOI), p.Situation)
	b = append(put16(b, int(FirstType(ps...))), 0, 0)
	return AppendChain(b, ps...)
}
