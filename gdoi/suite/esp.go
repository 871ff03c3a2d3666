package suite

import (
	"fmt"
	"slices"
	"strings"
)

// ESP is the suite of a TEK: a transform and, unless it is an AEAD one, an authentication algorithm. Numbers are part of
// what a key server keeps on disk: they never change their meaning.
type ESP uint8

// ESP suites. GCM has an ICV of 16 octets; HMAC is cut to half of the digest (RFC 4868), with SHA-1 to 96 bits.
const (
	ESPAES128GCM16 ESP = iota + 1
	ESPAES256GCM16
	ESPAES192GCM16
	ESPAES128GMAC
	ESPAES192GMAC
	ESPAES256GMAC
	ESPAES128CBCSHA256
	ESPAES128CBCSHA384
	ESPAES128CBCSHA512
	ESPAES192CBCSHA256
	ESPAES192CBCSHA384
	ESPAES192CBCSHA512
	ESPAES256CBCSHA256
	ESPAES256CBCSHA384
	ESPAES256CBCSHA512
	ESPAES128CTRSHA256
	ESPAES128CTRSHA384
	ESPAES128CTRSHA512
	ESPAES192CTRSHA256
	ESPAES192CTRSHA384
	ESPAES192CTRSHA512
	ESPAES256CTRSHA256
	ESPAES256CTRSHA384
	ESPAES256CTRSHA512
	ESP3DESCBCSHA1
	ESPNullSHA256
	ESPNullSHA384
	ESPNullSHA512
	ESPChaCha20Poly1305
	numESP
)

// ESP transform identifiers of a SAT: RFC 2407 §4.4.4, 3602 §5.2, 3686 §5.3, 4106 §8.3, 4543 §9.
const (
	transform3DES            uint8 = 3
	transformNull            uint8 = 11
	transformAESCBC          uint8 = 12
	transformAESCTR          uint8 = 13
	TransformAESGCM16        uint8 = 20
	transformNullAuthAESGMAC uint8 = 23
	// RFC 7634 has a number for IKEv2 alone, and IANA none for the IPsec DOI. This is one for private use "amongst cooperating
	// systems" (RFC 2407 §6.5).
	transformChaCha20Poly1305 uint8 = 249
)

// Values of the attribute Authentication Algorithm: RFC 2407 §4.5, RFC 4868 §4.
const (
	authNone   uint16 = 0
	authSHA1   uint16 = 2
	authSHA256 uint16 = 5
	authSHA384 uint16 = 6
	authSHA512 uint16 = 7
)

// SaltLen is the length of the salt (of the nonce, RFC 3686 §5.1) that follows the key in the keying material of
// counter modes (RFC 4106 §8.1).
const SaltLen = 4

// espInfo is one row of the registry; key in octets, without the salt.
type espInfo struct {
	name      string
	transform uint8
	key       int
	auth      uint16
}

var espSuites = [numESP]espInfo{
	ESPAES128GCM16:      {"aes-128-gcm", TransformAESGCM16, 16, authNone},
	ESPAES192GCM16:      {"aes-192-gcm", TransformAESGCM16, 24, authNone},
	ESPAES256GCM16:      {"aes-256-gcm", TransformAESGCM16, 32, authNone},
	ESPAES128GMAC:       {"aes-128-gmac", transformNullAuthAESGMAC, 16, authNone},
	ESPAES192GMAC:       {"aes-192-gmac", transformNullAuthAESGMAC, 24, authNone},
	ESPAES256GMAC:       {"aes-256-gmac", transformNullAuthAESGMAC, 32, authNone},
	ESPAES128CBCSHA256:  {"aes-128-cbc-sha256", transformAESCBC, 16, authSHA256},
	ESPAES128CBCSHA384:  {"aes-128-cbc-sha384", transformAESCBC, 16, authSHA384},
	ESPAES128CBCSHA512:  {"aes-128-cbc-sha512", transformAESCBC, 16, authSHA512},
	ESPAES192CBCSHA256:  {"aes-192-cbc-sha256", transformAESCBC, 24, authSHA256},
	ESPAES192CBCSHA384:  {"aes-192-cbc-sha384", transformAESCBC, 24, authSHA384},
	ESPAES192CBCSHA512:  {"aes-192-cbc-sha512", transformAESCBC, 24, authSHA512},
	ESPAES256CBCSHA256:  {"aes-256-cbc-sha256", transformAESCBC, 32, authSHA256},
	ESPAES256CBCSHA384:  {"aes-256-cbc-sha384", transformAESCBC, 32, authSHA384},
	ESPAES256CBCSHA512:  {"aes-256-cbc-sha512", transformAESCBC, 32, authSHA512},
	ESPAES128CTRSHA256:  {"aes-128-ctr-sha256", transformAESCTR, 16, authSHA256},
	ESPAES128CTRSHA384:  {"aes-128-ctr-sha384", transformAESCTR, 16, authSHA384},
	ESPAES128CTRSHA512:  {"aes-128-ctr-sha512", transformAESCTR, 16, authSHA512},
	ESPAES192CTRSHA256:  {"aes-192-ctr-sha256", transformAESCTR, 24, authSHA256},
	ESPAES192CTRSHA384:  {"aes-192-ctr-sha384", transformAESCTR, 24, authSHA384},
	ESPAES192CTRSHA512:  {"aes-192-ctr-sha512", transformAESCTR, 24, authSHA512},
	ESPAES256CTRSHA256:  {"aes-256-ctr-sha256", transformAESCTR, 32, authSHA256},
	ESPAES256CTRSHA384:  {"aes-256-ctr-sha384", transformAESCTR, 32, authSHA384},
	ESPAES256CTRSHA512:  {"aes-256-ctr-sha512", transformAESCTR, 32, authSHA512},
	ESP3DESCBCSHA1:      {"3des-cbc-sha1", transform3DES, 24, authSHA1},
	ESPNullSHA256:       {"null-sha256", transformNull, 0, authSHA256},
	ESPNullSHA384:       {"null-sha384", transformNull, 0, authSHA384},
	ESPNullSHA512:       {"null-sha512", transformNull, 0, authSHA512},
	ESPChaCha20Poly1305: {"chacha20-poly1305", transformChaCha20Poly1305, 32, authNone},
}

// authKeyLens: an integrity key is as long as the digest (RFC 4868 §2.1.1, RFC 2404 §3), in octets.
var authKeyLens = map[uint16]int{authNone: 0, authSHA1: 20, authSHA256: 32, authSHA384: 48, authSHA512: 64}

func (e ESP) info() espInfo {
	if !e.Valid() {
		return espInfo{name: fmt.Sprintf("esp(%d)", uint8(e))}
	}
	return espSuites[e]
}

// Valid says whether e is in the registry.
func (e ESP) Valid() bool { return e > 0 && e < numESP }

// TransformID is the transform of a SAT.
func (e ESP) TransformID() uint8 { return e.info().transform }

// Auth is the value of the Authentication Algorithm attribute; 0 for AEAD suites, whose SATs have none.
func (e ESP) Auth() uint16 { return e.info().auth }

// KeyLen is the length of the cipher's key in octets, without a salt; 0 for NULL and for a value that is not in the
// registry.
func (e ESP) KeyLen() int { return e.info().key }

// KeyBits is the value of the Key Length attribute; 0 for suites that must not have one, because their transform knows
// one length only (RFC 2407 §4.5).
func (e ESP) KeyBits() uint16 {
	switch e.TransformID() {
	case transform3DES, transformNull, transformChaCha20Poly1305:
		return 0
	}
	return uint16(e.KeyLen() * 8)
}

// Counter says whether an IV must never come twice under one key, so that senders need sender ids (RFC 6407 §3.5).
func (e ESP) Counter() bool {
	switch e.TransformID() {
	case TransformAESGCM16, transformNullAuthAESGMAC, transformAESCTR, transformChaCha20Poly1305:
		return true
	}
	return false
}

// Encrypts is false for suites that only authenticate.
func (e ESP) Encrypts() bool {
	t := e.TransformID()
	return t != transformNull && t != transformNullAuthAESGMAC && e.Valid()
}

// AlgorithmKeyLen is the length of TEK_ALGORITHM_KEY: key, then the salt of counter modes (RFC 6407 §5.6.1.1).
func (e ESP) AlgorithmKeyLen() int {
	if e.Counter() {
		return e.KeyLen() + SaltLen
	}
	return e.KeyLen()
}

// IntegrityKeyLen is the length of TEK_INTEGRITY_KEY (RFC 6407 §5.6.1.2), 0 for AEAD suites.
func (e ESP) IntegrityKeyLen() int { return authKeyLens[e.Auth()] }

// KeymatLen is the length of all keying material: the algorithm key, then the integrity key. 0 for a value that is not
// in the registry.
func (e ESP) KeymatLen() int { return e.AlgorithmKeyLen() + e.IntegrityKeyLen() }

// Warning says what is to be thought of before the suite is used; empty for most.
func (e ESP) Warning() string {
	switch {
	case e == ESP3DESCBCSHA1:
		return "3DES has blocks of 64 bits and SHA-1 is broken for other uses (RFC 8221 §5, §6): only for peers that have nothing better"
	case e == ESPChaCha20Poly1305:
		return "GDOI has no number for ChaCha20-Poly1305 (RFC 7634 is for IKEv2), so one for private use is sent: only members of this make know it, and only if their 'suites' name it"
	case !e.Encrypts():
		return "the suite authenticates, but does not encrypt: everybody on the path reads the traffic"
	}
	return ""
}

// String is the text form, "aes-256-gcm".
func (e ESP) String() string { return e.info().name }

// AllESP lists the registry, in the order of the names that operators read.
func AllESP() []ESP {
	all := []ESP{ESPAES128GCM16, ESPAES192GCM16, ESPAES256GCM16}
	for e := ESPAES128GMAC; e < numESP; e++ {
		all = append(all, e)
	}
	return all
}

// ModernESP is what a member accepts that was not told otherwise: what encrypts, with AES.
func ModernESP() []ESP {
	return slices.DeleteFunc(AllESP(), func(e ESP) bool { return e.Warning() != "" })
}

// ParseESP reads the text form.
func ParseESP(s string) (ESP, error) {
	for e := ESP(1); e < numESP; e++ {
		if espSuites[e].name == s {
			return e, nil
		}
	}
	return 0, fmt.Errorf("%w: TEK suite %q; use one of %s", ErrUnknown, s, espForms)
}

// espForms is all names, in short.
var espForms = strings.Join([]string{
	"aes-{128,192,256}-gcm", "aes-{128,192,256}-{cbc,ctr}-{sha256,sha384,sha512}", "aes-{128,192,256}-gmac",
	"null-{sha256,sha384,sha512}", "3des-cbc-sha1", "chacha20-poly1305",
}, ", ")

// ESPFromSAT maps the transform of a SAT and its attributes Key Length and Authentication Algorithm, 0 for one that is
// not there. A key length that a transform does not take is accepted if it is the one that it has.
func ESPFromSAT(transform uint8, keyBits, auth uint16) (ESP, error) {
	for e := ESP(1); e < numESP; e++ {
		r := &espSuites[e]
		if r.transform != transform || r.auth != auth {
			continue
		}
		if keyBits == e.KeyBits() || e.KeyBits() == 0 && int(keyBits) == r.key*8 {
			return e, nil
		}
	}
	return 0, fmt.Errorf("%w: ESP transform %d with key length %d and authentication algorithm %d", ErrUnknown, transform, keyBits, auth)
}
