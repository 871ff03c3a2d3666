package isakmp

// IDType is the registry "IPSEC Identification Type".
type IDType uint8

// Identification types: RFC 2407 §4.6.2.1, RFC 8052 (ID_OID).
const (
	IDIPv4Addr   IDType = 1
	IDFQDN       IDType = 2
	IDUserFQDN   IDType = 3
	IDIPv4Subnet IDType = 4
	IDIPv6Addr   IDType = 5
	IDIPv6Subnet IDType = 6
	IDIPv4Range  IDType = 7
	IDIPv6Range  IDType = 8
	IDDERASN1DN  IDType = 9
	IDDERASN1GN  IDType = 10
	IDKeyID      IDType = 11
	IDOID        IDType = 13
)

// maxIDDataSize limits identification data. Ours: a distinguished name is far shorter.
const maxIDDataSize = 1024

var idNames = [...]string{
	1: "ipv4-addr", 2: "fqdn", 3: "user-fqdn", 4: "ipv4-subnet", 5: "ipv6-addr", 6: "ipv6-subnet", 7: "ipv4-range",
	8: "ipv6-range", 9: "der-asn1-dn", 10: "der-asn1-gn", 11: "key-id", 13: "oid",
}

// String is the name that configurations and consoles use.
func (t IDType) String() string { return name(idNames[:], uint64(t)) }

// size is the fixed size of the data of an address type; -1 for types of any size.
func (t IDType) size() int {
	switch t {
	case IDIPv4Addr:
		return 4
	case IDIPv4Subnet, IDIPv4Range:
		return 8
	case IDIPv6Addr:
		return 16
	case IDIPv6Subnet, IDIPv6Range:
		return 32
	}
	return -1
}

// ID is the identification payload, RFC 2407 §4.6.2. In a GROUPKEY-PULL (RFC 6407 §5.1) it names the group, mostly as
// ID_KEY_ID, and the three octets after the type are reserved.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|   ID Type     |  Protocol ID  |             Port              |
//	+---------------+---------------+-------------------------------+
//	~                     Identification Data                       ~
//	+---------------------------------------------------------------+
type ID struct {
	IDType   IDType
	Protocol uint8
	Port     uint16
	Data     []byte
}

// ParseID reads the body of an ID payload; Data aliases it. Address types must have their size.
func ParseID(body []byte) (ID, error) {
	c := read("ID", body)
	p := ID{IDType: IDType(c.u8("type")), Protocol: c.u8("protocol"), Port: c.u16("port")}
	switch n, want := len(c.b), p.IDType.size(); {
	case want >= 0 && n != want:
		c.fail("%v of %d octets, must be %d", p.IDType, n, want)
	case n > maxIDDataSize:
		c.fail("%v of %d octets, at most %d are allowed", p.IDType, n, maxIDDataSize)
	}
	p.Data = c.some("identification data")
	return p, c.done()
}

// Type is PayloadID.
func (ID) Type() PayloadType { return PayloadID }

// AppendBody appends the body: what RFC 2409 §5 calls IDii_b.
func (p ID) AppendBody(b []byte) []byte {
	return append(put16(append(b, byte(p.IDType), p.Protocol), int(p.Port)), p.Data...)
}
