package isakmp

// VendorID is the VID payload, RFC 2408 §3.16:
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	~                Vendor ID                                      ~
//	+---------------------------------------------------------------+
type VendorID struct{ Data []byte }

// ParseVendorID reads the body of a VID payload; Data aliases it.
func ParseVendorID(body []byte) (VendorID, error) {
	c := read("VID", body)
	p := VendorID{c.some("data")}
	return p, c.done()
}

// Type is PayloadVID.
func (VendorID) Type() PayloadType { return PayloadVID }

// AppendBody appends the data.
func (p VendorID) AppendBody(b []byte) []byte { return append(b, p.Data...) }
