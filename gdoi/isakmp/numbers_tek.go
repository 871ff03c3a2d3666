package isakmp

// GAP attributes, RFC 6407 §5.4; all Basic.
const (
	GAPActivationTimeDelay   = 1 // seconds
	GAPDeactivationTimeDelay = 2 // seconds
	GAPSenderIDRequest       = 3 // count, in message 3
	// GAPGetVPNAccessList is ours, Variable, in the range for private use: the ordered access list as text lines joined
	// by "\n". It goes only to peers that sent VendorIDGetVPN, since a receiver must abort on what it does not know.
	GAPGetVPNAccessList = 200
	// GAPGetVPNMode is ours too, Basic, under the same condition: 0 full, 1 passive, 2 receive-only. Absent means full.
	GAPGetVPNMode = 201
	// GAPGetVPNFormer is ours too, Variable, under the same condition, in a PULL only: the policy that this one replaces,
	// as text lines joined by "\n": the word of its mode and for how many seconds it is still in force (0: some members may
	// be late), then its access list.
	GAPGetVPNFormer = 202
	// GAPGetVPNTime is ours too, Variable, under the same condition: the time of the group, by which old packets are told.
	// Absent means that it has none.
	//
	//	 window 4, milliseconds | series 4 | pseudotime 8, microseconds | SPI 4 of each TEK that every sender stamps under
	//
	// Within a series the pseudotime has never jumped.
	GAPGetVPNTime = 203
	// GAPGetVPNTrusted is ours too, Variable, under the same condition: the public keys that sign rekeys beside that of the
	// KEK, of the other key servers of the group, each a length of 2 octets and a DER SubjectPublicKeyInfo. Absent in a PUSH
	// means that nothing has changed.
	GAPGetVPNTrusted = 204
)

// Protocols of a SAT: RFC 6407 §5.5, RFC 8052. A DELETE uses them too, and 0 for the KEK.
const (
	ProtocolKEK      = 0
	ProtocolESP      = 1
	ProtocolAH       = 2
	ProtocolIEC61850 = 3
)

// IPsec SA attributes of a SAT: RFC 2407 §4.5, RFC 4304, RFC 6407 §5.5.1.1.
const (
	SAAttrLifeType            = 1
	SAAttrLifeDuration        = 2 // Variable; often arrives as Basic
	SAAttrGroupDescription    = 3 // must not be sent, ignored
	SAAttrEncapsulationMode   = 4
	SAAttrAuthAlgorithm       = 5
	SAAttrKeyLength           = 6 // bits
	SAAttrESN                 = 11
	SAAttrAuthKeyLength       = 12
	SAAttrAddressPreservation = 14
	SAAttrDirection           = 15
)

// Life types of the IPsec DOI, RFC 2407 §4.5.
const (
	LifeTypeSeconds   = 1
	LifeTypeKilobytes = 2
)

// Encapsulation modes, RFC 2407 §4.5.
const (
	EncapsulationTunnel    = 1
	EncapsulationTransport = 2
)

// Authentication algorithms, RFC 2407 §4.5 and RFC 4868.
const (
	AuthHMACMD5    = 1
	AuthHMACSHA1   = 2
	AuthHMACSHA256 = 5
	AuthHMACSHA384 = 6
	AuthHMACSHA512 = 7
	AuthRIPEMD     = 8
)

// ESN64 asks for 64-bit sequence numbers, RFC 4304.
const ESN64 = 1

// Values of the address preservation attribute, RFC 6407 §5.5.1.1.1; absent means both.
const (
	PreserveNone        = 1
	PreserveSource      = 2
	PreserveDestination = 3
	PreserveBoth        = 4
)

// Values of the SA direction attribute, RFC 6407 §5.5.1.1.2; absent means symmetric.
const (
	DirectionSender    = 1
	DirectionReceiver  = 2
	DirectionSymmetric = 3
)

// ESP transform identifiers: RFC 2407 §4.4.4, RFC 3686, RFC 4309, RFC 4106, RFC 4543. ChaCha20-Poly1305 has none.
const (
	ESP3DES            = 3
	ESPNull            = 11
	ESPAESCBC          = 12
	ESPAESCTR          = 13
	ESPAESCCM8         = 14
	ESPAESCCM12        = 15
	ESPAESCCM16        = 16
	ESPAESGCM8         = 18
	ESPAESGCM12        = 19
	ESPAESGCM16        = 20
	ESPNullAuthAESGMAC = 23
)

// Types of key packets, RFC 6407 §5.6.
const (
	KDTypeTEK = 1
	KDTypeKEK = 2
	KDTypeLKH = 3
	KDTypeSID = 4
)

// Attributes of a TEK key packet, RFC 6407 §5.6.1; all Variable. Counter modes append the salt to the key.
const (
	TEKAttrAlgorithmKey  = 1
	TEKAttrIntegrityKey  = 2
	TEKAttrSourceAuthKey = 3
)

// Attributes of a KEK key packet, RFC 6407 §5.6.2; all Variable.
const (
	KEKKeyAttrAlgorithmKey    = 1 // the IV, then the key
	KEKKeyAttrSigAlgorithmKey = 2 // in practice a DER SubjectPublicKeyInfo
)

// Attributes of an LKH key packet, RFC 6407 §5.6.3; all Variable.
const (
	LKHAttrDownloadArray   = 1
	LKHAttrUpdateArray     = 2
	LKHAttrSigAlgorithmKey = 3
)

// Attributes of a SID key packet, RFC 6407 §5.6.4.
const (
	SIDAttrNumberOfBits = 1 // Basic
	SIDAttrValue        = 2 // Variable, repeatable; right-aligned, any width
)

var (
	protocolNames     = [...]string{0: "kek", 1: "esp", 2: "ah", 3: "iec-61850"}
	espTransformNames = [...]string{
		3: "3des", 11: "null", 12: "aes-cbc", 13: "aes-ctr", 14: "aes-ccm-8", 15: "aes-ccm-12", 16: "aes-ccm-16",
		18: "aes-gcm-8", 19: "aes-gcm-12", 20: "aes-gcm-16", 23: "null-auth-aes-gmac",
	}
	authNames   = [...]string{1: "hmac-md5", 2: "hmac-sha1", 5: "hmac-sha256", 6: "hmac-sha384", 7: "hmac-sha512", 8: "ripemd"}
	kdTypeNames = [...]string{1: "TEK", 2: "KEK", 3: "LKH", 4: "SID"}
)

// ProtocolName is the name of a protocol of a SAT or of a DELETE in a GROUPKEY-PUSH.
func ProtocolName(v uint8) string { return name(protocolNames[:], uint64(v)) }

// ESPTransformName is the name of an ESP transform.
func ESPTransformName(v uint8) string { return name(espTransformNames[:], uint64(v)) }

// AuthAlgorithmName is the name of an IPsec authentication algorithm.
func AuthAlgorithmName(v uint16) string { return name(authNames[:], uint64(v)) }

// KDTypeName is the name of a type of key packets.
func KDTypeName(v uint8) string { return name(kdTypeNames[:], uint64(v)) }
