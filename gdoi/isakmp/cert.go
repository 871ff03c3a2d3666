package isakmp

// CertX509Signature is the encoding of an X.509 certificate for signatures, RFC 2408 §3.9.
const CertX509Signature = 4

// Cert is the CERT payload, RFC 2408 §3.9:
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	| Cert Encoding |             Certificate Data                  ~
//	+---------------+-----------------------------------------------+
type Cert struct {
	Encoding uint8
	Data     []byte
}

// ParseCert reads the body of a CERT payload; Data aliases it.
func ParseCert(body []byte) (Cert, error) {
	c := read("CERT", body)
	p := Cert{Encoding: c.u8("encoding"), Data: c.some("certificate")}
	return p, c.done()
}

// Type is PayloadCERT.
func (Cert) Type() PayloadType { return PayloadCERT }

// AppendBody appends the encoding and the certificate.
func (p Cert) AppendBody(b []byte) []byte { return append(append(b, p.Encoding), p.Data...) }
