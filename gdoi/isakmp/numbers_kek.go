package isakmp

// KEK attributes of a SAK: RFC 6407 §5.3, RFC 8263 §3. (B) Basic, (V) Variable.
const (
	KEKAttrManagementAlgorithm = 1 // B
	KEKAttrAlgorithm           = 2 // B
	KEKAttrKeyLength           = 3 // B, bits, without the IV
	KEKAttrKeyLifetime         = 4 // V, 4 octets, seconds; often arrives as B
	KEKAttrSigHashAlgorithm    = 5 // B
	KEKAttrSigAlgorithm        = 6 // B
	KEKAttrSigKeyLength        = 7 // B, bits
	KEKAttrAckRequested        = 9 // B
)

// KEK management algorithms, RFC 6407 §5.3.1.
const KEKManagementLKH = 1

// KEK algorithms, all in CBC mode, RFC 6407 §5.3.2.
const (
	KEKAlgorithmDES  = 1
	KEKAlgorithm3DES = 2
	KEKAlgorithmAES  = 3
)

// Hash algorithms of the SIG payload, RFC 6407 §5.3.5.
const (
	SigHashMD5    = 1
	SigHashSHA1   = 2
	SigHashSHA256 = 3
	SigHashSHA384 = 4
	SigHashSHA512 = 5
)

// Signature algorithms of the SIG payload, RFC 6407 §5.3.6.
const (
	SigAlgorithmRSA      = 1
	SigAlgorithmDSS      = 2
	SigAlgorithmECDSS    = 3
	SigAlgorithmECDSA256 = 4
	SigAlgorithmECDSA384 = 5
	SigAlgorithmECDSA521 = 6
)

// Values of KEK_ACK_REQUESTED, RFC 8263 §3: which key and hash protect the GROUPKEY-PUSH-ACK.
const (
	AckKEKSHA256 = 1
	AckLKHSHA256 = 2
	AckKEKSHA512 = 3
	AckLKHSHA512 = 4
)

// PushAckLabel is the label of the acknowledgement key, with its NUL: 18 octets, RFC 8263 §3.2.
const PushAckLabel = "GROUPKEY-PUSH ACK\x00"

// The length L in the derivation of the acknowledgement key is the block size of the PRF in bits, RFC 8263 §3.2.
const (
	PushAckLengthSHA256 = 512
	PushAckLengthSHA512 = 1024
)

// PushSignaturePrefix starts what a GROUPKEY-PUSH signs: five octets, no NUL, RFC 6407 §4.
const PushSignaturePrefix = "rekey"

var (
	kekAlgorithmNames = [...]string{1: "des-cbc", 2: "3des-cbc", 3: "aes-cbc"}
	sigHashNames      = [...]string{1: "md5", 2: "sha1", 3: "sha256", 4: "sha384", 5: "sha512"}
	sigAlgorithmNames = [...]string{1: "rsa", 2: "dss", 3: "ecdss", 4: "ecdsa-256", 5: "ecdsa-384", 6: "ecdsa-521"}
	ackNames          = [...]string{1: "kek-sha256", 2: "lkh-sha256", 3: "kek-sha512", 4: "lkh-sha512"}
)

// KEKAlgorithmName is the name of a KEK algorithm.
func KEKAlgorithmName(v uint16) string { return name(kekAlgorithmNames[:], uint64(v)) }

// SigHashName is the name of a hash of the SIG payload.
func SigHashName(v uint16) string { return name(sigHashNames[:], uint64(v)) }

// SigAlgorithmName is the name of an algorithm of the SIG payload.
func SigAlgorithmName(v uint16) string { return name(sigAlgorithmNames[:], uint64(v)) }

// AckName is the name of a value of KEK_ACK_REQUESTED.
func AckName(v uint16) string { return name(ackNames[:], uint64(v)) }
