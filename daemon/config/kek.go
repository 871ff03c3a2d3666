package config

import (
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// KEK says how rekey messages are protected.
type KEK struct {
	Suite         suite.KEK
	Lifetime      time.Duration
	Signature     suite.Signature
	SignatureKey  string // name of the key in the custody
	SignatureBits int    // of an RSA key
	SignatureHash machine.Hash
	SignatureForm machine.SignScheme
}

func defaultKEK() KEK {
	return KEK{
		Suite: suite.KEKAES256CBC, Lifetime: 24 * time.Hour,
		SignatureBits: 2048, SignatureHash: machine.SHA256, SignatureForm: machine.SignRSAPKCS1,
	}
}

// nameKey names the signature key after the group unless the file does. Each algorithm has a key of its own, so that a group
// can go from one to another, and back.
func (k *KEK) nameKey(group string) {
	if k.SignatureKey == "" {
		k.SignatureKey = "rekey-" + group
		if k.Signature != suite.SignatureRSA {
			k.SignatureKey += "-" + k.Signature.String()
		}
	}
}

func (d *decoder) kek(v *value, k *KEK) {
	form, hash := "rfc6407", ""
	var bitsAt, hashAt, formAt *value
	at := func(into **value, f func(*value)) func(*value) { return func(v *value) { *into = v; f(v) } }
	d.object(v,
		opt("suite", word(d, &k.Suite, suite.ParseKEK)),
		opt("lifetime", d.seconds(&k.Lifetime, minLifetime, maxLifetime)),
		opt("signature", word(d, &k.Signature, suite.ParseSignature)),
		opt("signature-key", d.name(&k.SignatureKey)),
		opt("signature-bits", at(&bitsAt, d.integer(&k.SignatureBits, suite.MinRSABits, suite.MaxRSABits))),
		opt("signature-hash", at(&hashAt, d.oneOf(&hash, "sha256", "sha384", "sha512"))),
		opt("signature-form", at(&formAt, d.oneOf(&form, "rfc6407", "bare"))))
	if h, err := suite.ParseHash(hash); err == nil {
		k.SignatureHash = h
	}
	if form == "bare" {
		k.SignatureForm = machine.SignRSABare
	}
	if k.SignatureBits%256 != 0 {
		d.fail(v, "signature-bits must be a multiple of 256")
	}
	implied, ok := k.Signature.ImpliedHash()
	if !ok {
		return
	}
	if bitsAt != nil {
		d.fail(bitsAt, "signature-bits are of RSA keys; the size of %s is in its name: leave them out", k.Signature)
	}
	if hashAt != nil && k.SignatureHash != implied {
		d.fail(hashAt, "%s signs %s alone, not %s (RFC 6407 §5.3.5): leave signature-hash out", k.Signature, suite.HashName(implied), hash)
	}
	if formAt != nil && form == "bare" {
		d.fail(formAt, "signature-form: bare is of RSA keys, for members that know only that: write signature: rsa, or leave the form out")
	}
	k.SignatureBits, k.SignatureHash, k.SignatureForm = 0, implied, machine.SignECDSAConcat
}

// String is the flow mapping of the file.
func (k KEK) String() string {
	s := fmt.Sprintf("{suite: %s, lifetime: %s, signature: %s, signature-key: %s", k.Suite, short(k.Lifetime), k.Signature, k.SignatureKey)
	if k.Signature == suite.SignatureRSA {
		form := "rfc6407"
		if k.SignatureForm == machine.SignRSABare {
			form = "bare"
		}
		s += fmt.Sprintf(", signature-bits: %d, signature-hash: %s, signature-form: %s", k.SignatureBits, suite.HashName(k.SignatureHash), form)
	}
	return s + "}"
}
