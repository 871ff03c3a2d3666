package ks

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"path/filepath"
	"testing"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
	"github.com/getvpn/getvpn/hsm/pkcs11"
	"github.com/getvpn/getvpn/hsm/soft"
)

// custodies are two of each kind, so that keys can move.
var custodies = map[string]func(t *testing.T) [2]hsm.Token{
	"files": func(t *testing.T) (out [2]hsm.Token) {
		for i := range out {
			h, err := soft.Open(filepath.Join(t.TempDir(), "keys"))
			if err != nil {
				t.Fatal(err)
			}
			out[i] = h
		}
		return out
	},
	"token": func(t *testing.T) (out [2]hsm.Token) {
		if !pkcs11.Available {
			t.Skip("built without cgo")
		}
		s := hsmtest.NewSoftHSM(t, "one", "two")
		for i, label := range []string{"one", "two"} {
			h, err := pkcs11.Open(t.Context(), pkcs11.Options{Token: s.URI(label), AllowOAEPSHA1: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = h.Close() })
			out[i] = h
		}
		return out
	},
}

// TestKeyCalls: what a machine asks for is done with the key that it names, twice as well as once, and a key that moved is
// the same key.
func TestKeyCalls(t *testing.T) {
	for name, open := range custodies {
		t.Run(name, func(t *testing.T) {
			both := open(t)
			ask := func(at int, c machine.KeyCall) []byte {
				t.Helper()
				out, err := newKEKCustody(both[at]).call(t.Context(), c)
				if err != nil {
					t.Fatalf("operation %d: %v", c.Op, err)
				}
				return out
			}
			const kek = "kek-0011223344556677"
			gen := machine.KeyCall{Op: machine.KeyGenerate, Key: kek, Bits: 256}
			ask(0, gen)
			value := ask(0, machine.KeyCall{Op: machine.KeyReveal, Key: kek})
			if ask(0, gen); len(value) != 32 || !bytes.Equal(value, ask(0, machine.KeyCall{Op: machine.KeyReveal, Key: kek})) {
				t.Fatal("a key that is there is made anew")
			}
			block, err := aes.NewCipher(value)
			if err != nil {
				t.Fatal(err)
			}
			iv, plain := bytes.Repeat([]byte{7}, 16), bytes.Repeat([]byte("sixteen octets.."), 40)
			want := make([]byte, len(plain))
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(want, plain)
			if got := ask(0, machine.KeyCall{Op: machine.KeyEncrypt, Key: kek, IV: iv, Data: plain}); !bytes.Equal(got, want) {
				t.Error("encrypted otherwise than with its value")
			}
			to, err := ensureTransport(t.Context(), both[1])
			if err != nil {
				t.Fatal(err)
			}
			wrapped := ask(0, machine.KeyCall{Op: machine.KeyWrap, Key: kek, To: to})
			unwrap := machine.KeyCall{Op: machine.KeyUnwrap, Key: kek, Bits: 256, Data: wrapped}
			ask(1, unwrap)
			if ask(1, unwrap); !bytes.Equal(value, ask(1, machine.KeyCall{Op: machine.KeyReveal, Key: kek})) {
				t.Error("what was unwrapped is another key")
			}
			destroy := machine.KeyCall{Op: machine.KeyDestroy, Key: kek}
			ask(0, destroy)
			ask(0, destroy)
			for _, c := range []machine.KeyCall{{Op: machine.KeyReveal, Key: kek}, {Op: machine.KeyEncrypt, Key: kek, IV: iv, Data: plain}, {Op: machine.KeyWrap, Key: kek, To: to}} {
				if _, err := newKEKCustody(both[0]).call(t.Context(), c); !errors.Is(err, machine.ErrNoKey) {
					t.Errorf("operation %d without the key: %v", c.Op, err)
				}
			}
			if _, err := newKEKCustody(both[0]).call(t.Context(), machine.KeyCall{Op: machine.KeyWrap, Key: kek, To: to[1:]}); !errors.Is(err, hsm.ErrKey) || errors.Is(err, machine.ErrNoKey) {
				t.Errorf("a transport key that is none: %v", err)
			}
			if _, err := newKEKCustody(both[1]).call(t.Context(), machine.KeyCall{Op: machine.KeyUnwrap, Key: "kek-2", Bits: 256, Data: wrapped[1:]}); err == nil {
				t.Error("a changed blob is a key")
			}
		})
	}
}
