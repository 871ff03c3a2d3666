package esp

import (
	"crypto/des" //nolint:gosec // 3DES: refused unless the configuration names it
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
)

// Suite is what an SA does with a packet: a cipher and what keeps it intact. The zero value is none.
type Suite uint8

// Suites. All but the AEAD ones encrypt first and put HMAC over the result (RFC 4303 §3.3.2.1).
const (
	AES128GCM Suite = iota + 1 // RFC 4106, ICV of 16 octets
	AES192GCM
	AES256GCM
	AES128GMAC // RFC 4543: authenticates, does not encrypt
	AES192GMAC
	AES256GMAC
	AES128CBCSHA256 // RFC 3602, RFC 4868
	AES128CBCSHA384
	AES128CBCSHA512
	AES192CBCSHA256
	AES192CBCSHA384
	AES192CBCSHA512
	AES256CBCSHA256
	AES256CBCSHA384
	AES256CBCSHA512
	AES128CTRSHA256 // RFC 3686, RFC 4868
	AES128CTRSHA384
	AES128CTRSHA512
	AES192CTRSHA256
	AES192CTRSHA384
	AES192CTRSHA512
	AES256CTRSHA256
	AES256CTRSHA384
	AES256CTRSHA512
	TripleDESCBCSHA1 // RFC 2451, RFC 2404: for old peers
	NullSHA256       // RFC 2410: authenticates, does not encrypt
	NullSHA384
	NullSHA512
	ChaCha20Poly1305 // RFC 7634
	numSuites
)

// mode is what becomes of the payload.
type mode uint8

const (
	gcm    mode = iota + 1
	chacha      // packets as those of gcm: the same lengths, nonce and additional data
	gmac
	cbc // AES
	ctr
	des3
	null
)

// hashKind is the hash of an HMAC.
type hashKind uint8

const (
	noHash hashKind = iota
	hmacSHA1
	hmacSHA256
	hmacSHA384
	hmacSHA512
	numHashes
)

// hashInfo: the ICV is the digest cut to half (RFC 4868 §2.3), for SHA-1 to 96 bits (RFC 2404 §2).
type hashInfo struct {
	new             func() hash.Hash
	size, icv, pads int // octets: of digest and key, of the ICV, of the hash's block
}

var hashes = [numHashes]hashInfo{
	hmacSHA1:   {sha1.New, sha1.Size, 12, sha1.BlockSize},
	hmacSHA256: {sha256.New, sha256.Size, 16, sha256.BlockSize},
	hmacSHA384: {sha512.New384, sha512.Size384, 24, sha512.BlockSize},
	hmacSHA512: {sha512.New, sha512.Size, 32, sha512.BlockSize},
}

const aesBlock = 16

// suiteInfo is one row of the registry; lengths in octets.
type suiteInfo struct {
	name string
	mode mode
	key  int // of the cipher, without the salt
	hash hashKind
}

var suites = [numSuites]suiteInfo{
	AES128GCM:        {"aes-128-gcm", gcm, 16, noHash},
	AES192GCM:        {"aes-192-gcm", gcm, 24, noHash},
	AES256GCM:        {"aes-256-gcm", gcm, 32, noHash},
	AES128GMAC:       {"aes-128-gmac", gmac, 16, noHash},
	AES192GMAC:       {"aes-192-gmac", gmac, 24, noHash},
	AES256GMAC:       {"aes-256-gmac", gmac, 32, noHash},
	AES128CBCSHA256:  {"aes-128-cbc-sha256", cbc, 16, hmacSHA256},
	AES128CBCSHA384:  {"aes-128-cbc-sha384", cbc, 16, hmacSHA384},
	AES128CBCSHA512:  {"aes-128-cbc-sha512", cbc, 16, hmacSHA512},
	AES192CBCSHA256:  {"aes-192-cbc-sha256", cbc, 24, hmacSHA256},
	AES192CBCSHA384:  {"aes-192-cbc-sha384", cbc, 24, hmacSHA384},
	AES192CBCSHA512:  {"aes-192-cbc-sha512", cbc, 24, hmacSHA512},
	AES256CBCSHA256:  {"aes-256-cbc-sha256", cbc, 32, hmacSHA256},
	AES256CBCSHA384:  {"aes-256-cbc-sha384", cbc, 32, hmacSHA384},
	AES256CBCSHA512:  {"aes-256-cbc-sha512", cbc, 32, hmacSHA512},
	AES128CTRSHA256:  {"aes-128-ctr-sha256", ctr, 16, hmacSHA256},
	AES128CTRSHA384:  {"aes-128-ctr-sha384", ctr, 16, hmacSHA384},
	AES128CTRSHA512:  {"aes-128-ctr-sha512", ctr, 16, hmacSHA512},
	AES192CTRSHA256:  {"aes-192-ctr-sha256", ctr, 24, hmacSHA256},
	AES192CTRSHA384:  {"aes-192-ctr-sha384", ctr, 24, hmacSHA384},
	AES192CTRSHA512:  {"aes-192-ctr-sha512", ctr, 24, hmacSHA512},
	AES256CTRSHA256:  {"aes-256-ctr-sha256", ctr, 32, hmacSHA256},
	AES256CTRSHA384:  {"aes-256-ctr-sha384", ctr, 32, hmacSHA384},
	AES256CTRSHA512:  {"aes-256-ctr-sha512", ctr, 32, hmacSHA512},
	TripleDESCBCSHA1: {"3des-cbc-sha1", des3, 24, hmacSHA1},
	NullSHA256:       {"null-sha256", null, 0, hmacSHA256},
	NullSHA384:       {"null-sha384", null, 0, hmacSHA384},
	NullSHA512:       {"null-sha512", null, 0, hmacSHA512},
	ChaCha20Poly1305: {"chacha20-poly1305", chacha, 32, noHash},
}

// modeInfo: iv is what a packet carries, align what the encrypted part is a multiple of, tag see tagLen.
var modes = [...]struct{ iv, salt, align, tag int }{
	gcm:    {8, saltLen, 4, 0},
	chacha: {8, saltLen, 4, 0},
	gmac:   {8, saltLen, 4, 0},
	cbc:    {aesBlock, 0, aesBlock, 0},
	ctr:    {8, saltLen, 4, 0},
	des3:   {des.BlockSize, 0, des.BlockSize, 0},
	null:   {0, 0, 4, tagLen},
}

// Suites lists all of them.
func Suites() []Suite {
	var all []Suite
	for s := AES128GCM; s < numSuites; s++ {
		all = append(all, s)
	}
	return all
}

// ParseSuite reads the text form, "aes-256-gcm".
func ParseSuite(name string) (Suite, error) {
	for s := AES128GCM; s < numSuites; s++ {
		if suites[s].name == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%w: %q", ErrSuite, name)
}

// String is the text form.
func (s Suite) String() string {
	if !s.valid() {
		return fmt.Sprintf("suite(%d)", uint8(s))
	}
	return suites[s].name
}

func (s Suite) valid() bool { return s > 0 && s < numSuites }

// Counter says whether the suite needs a sender id in its IVs, because an IV that comes twice under one key would give
// everything away (RFC 6054): without one such an SA can only receive.
func (s Suite) Counter() bool {
	m := suites[s].mode
	return m == gcm || m == chacha || m == gmac || m == ctr
}

// KeyMatLen is the length of the keying material: the cipher's key and salt, then the integrity key.
func (s Suite) KeyMatLen() int { return s.cipherKeyLen() + hashes[suites[s].hash].size }

// cipherKeyLen is the length of the cipher's part of it.
func (s Suite) cipherKeyLen() int { return suites[s].key + modes[suites[s].mode].salt }

// IVLen is the length of the explicit IV.
func (s Suite) IVLen() int { return modes[suites[s].mode].iv }

// ICVLen is the length of the integrity check value.
func (s Suite) ICVLen() int {
	if h := suites[s].hash; h != noHash {
		return hashes[h].icv
	}
	return ICVLen
}

// SealedLen returns the length of the ESP packet (from the SPI to the ICV) that carries n octets.
func (s Suite) SealedLen(n int) int {
	m := modes[suites[s].mode]
	return HeaderLen + m.iv + roundUp(n+m.tag+TrailerLen, m.align) + s.ICVLen()
}

// InnerMax returns the longest packet whose ESP packet, with an outer header of outer octets, fits into mtu.
func (s Suite) InnerMax(mtu, outer int) int {
	m := modes[suites[s].mode]
	room := mtu - outer - HeaderLen - m.iv - s.ICVLen()
	return max(0, room-room%m.align-TrailerLen-m.tag)
}

// roundUp: to a multiple of a power of two.
func roundUp(n, to int) int { return (n + to - 1) &^ (to - 1) }
