package isakmp

// CertReq is the CERTREQ payload, RFC 2408 §3.10. Data is the DER name of an acceptable authority; empty means any.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|  Cert. Type   |            Certificate Authority              ~
//	+---------------+-----------------------------------------------+
type CertReq struct {
	Encoding uint8
	Data     []byte
}

// ParseCertReq reads the body of a CERTREQ payload; Data aliases it.
func ParseCertReq(body []byte) (CertReq, error) {
	c := read("CERTREQ", body)
	p := CertReq{Encoding: c.u8("type"), Data: c.rest()}
	return p, c.done()
}

// Type is PayloadCERTREQ.
func (CertReq) Type() PayloadType { return PayloadCERTREQ }

// AppendBody appends the encoding and the authority.
func (p CertReq) AppendBody(b []byte) []byte { return append(append(b, p.Encoding), p.Data...) }
