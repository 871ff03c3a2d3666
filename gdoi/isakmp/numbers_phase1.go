package isakmp

// Attribute classes of a phase-1 transform, RFC 2409 appendix A.
const (
	Phase1Encryption   = 1
	Phase1Hash         = 2
	Phase1AuthMethod   = 3
	Phase1Group        = 4
	Phase1LifeType     = 11
	Phase1LifeDuration = 12
	Phase1PRF          = 13
	Phase1KeyLength    = 14
)

// Encryption algorithms of phase 1: RFC 2409 appendix A, RFC 3602 §5.
const (
	IKEEncryption3DES = 5
	IKEEncryptionAES  = 7
)

// Hash algorithms of phase 1: RFC 2409 appendix A, RFC 4868.
const (
	IKEHashMD5    = 1
	IKEHashSHA1   = 2
	IKEHashSHA256 = 4
	IKEHashSHA384 = 5
	IKEHashSHA512 = 6
)

// Authentication methods of phase 1: RFC 2409 appendix A, RFC 4754 §3.
const (
	IKEAuthPSK      = 1
	IKEAuthDSS      = 2
	IKEAuthRSA      = 3
	IKEAuthECDSA256 = 9
	IKEAuthECDSA384 = 10
	IKEAuthECDSA521 = 11
)

// Diffie-Hellman groups: RFC 2409 §6, RFC 3526, RFC 5903.
const (
	IKEGroupMODP1024 = 2
	IKEGroupMODP1536 = 5
	IKEGroupMODP2048 = 14
	IKEGroupMODP3072 = 15
	IKEGroupMODP4096 = 16
	IKEGroupP256     = 19
	IKEGroupP384     = 20
	IKEGroupP521     = 21
)

// Life types of phase 1, RFC 2409 appendix A.
const (
	LifeSeconds   = 1
	LifeKilobytes = 2
)

var (
	ikeEncryptionNames = [...]string{5: "3des", 7: "aes"}
	ikeHashNames       = [...]string{1: "md5", 2: "sha1", 4: "sha256", 5: "sha384", 6: "sha512"}
	ikeAuthNames       = [...]string{1: "psk", 2: "dss", 3: "rsa", 9: "ecdsa-256", 10: "ecdsa-384", 11: "ecdsa-521"}
	ikeGroupNames      = [...]string{
		2: "modp1024", 5: "modp1536", 14: "modp2048", 15: "modp3072", 16: "modp4096", 19: "ecp256", 20: "ecp384",
		21: "ecp521",
	}
)

// IKEEncryptionName is the name of an encryption algorithm of phase 1.
func IKEEncryptionName(v uint16) string { return name(ikeEncryptionNames[:], uint64(v)) }

// IKEHashName is the name of a hash algorithm of phase 1.
func IKEHashName(v uint16) string { return name(ikeHashNames[:], uint64(v)) }

// IKEAuthName is the name of an authentication method of phase 1.
func IKEAuthName(v uint16) string { return name(ikeAuthNames[:], uint64(v)) }

// IKEGroupName is the name of a Diffie-Hellman group.
func IKEGroupName(v uint16) string { return name(ikeGroupNames[:], uint64(v)) }
