package suite

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/getvpn/getvpn/gdoi/machine"
)

func TestECPVectors(t *testing.T) {
	var v struct {
		Cases []struct {
			Group                          string
			I, Gix, Giy, R, Grx, Gry, Girx hexBytes
		}
	}
	load(t, "rfc5903.json", &v)
	for _, c := range v.Cases {
		t.Run(c.Group, func(t *testing.T) {
			g, err := parseGroup(c.Group)
			if err != nil {
				t.Fatal(err)
			}
			for _, side := range []struct{ private, x, y, peerX, peerY hexBytes }{
				{c.I, c.Gix, c.Giy, c.Grx, c.Gry}, {c.R, c.Grx, c.Gry, c.Gix, c.Giy},
			} {
				d, err := g.New(machine.NewEnv(bytes.NewReader(side.private)))
				if err != nil {
					t.Fatal(err)
				}
				if want := append(side.x[:len(side.x):len(side.x)], side.y...); !bytes.Equal(d.Public(), want) {
					t.Errorf("KE %x, want %x", d.Public(), want)
				}
				s, err := d.Shared(append(side.peerX[:len(side.peerX):len(side.peerX)], side.peerY...))
				if err != nil || !bytes.Equal(s.Bytes(), c.Girx) {
					t.Errorf("shared %x, %v; want %x", s.Bytes(), err, c.Girx)
				}
			}
		})
	}
}

func TestWycheproofECDH(t *testing.T) {
	var v struct {
		Tests []struct {
			TcID                    int
			Comment, Result         string
			Public, Private, Shared hexBytes
		}
	}
	load(t, "wycheproof-ecdh-p256.json", &v)
	valid, invalid := 0, 0
	for _, c := range v.Tests {
		private := c.Private
		for len(private) > 32 && private[0] == 0 {
			private = private[1:]
		}
		if len(private) != 32 || len(c.Public) == 0 || len(c.Public) != 65 && c.Result == "valid" {
			continue // compressed points cannot be written in KE
		}
		d, err := ECP256.New(machine.NewEnv(bytes.NewReader(private)))
		if err != nil {
			t.Fatal(err)
		}
		s, err := d.Shared(c.Public[1:])
		if c.Result == "valid" {
			valid++
			if err != nil || !bytes.Equal(s.Bytes(), c.Shared) {
				t.Errorf("%d %s: %x, %v", c.TcID, c.Comment, s.Bytes(), err)
			}
		} else if invalid++; !errors.Is(err, ErrPublicValue) {
			t.Errorf("%d %s: accepted (%v)", c.TcID, c.Comment, err)
		}
	}
	if valid < 30 || invalid < 15 {
		t.Errorf("%d valid, %d invalid rows: the selection shrank", valid, invalid)
	}
}

func TestMODPAgainstBig(t *testing.T) {
	for g, bits := range map[Group]int{MODP2048: 2048, MODP1024: 1024} {
		m := g.modulus()
		p := new(big.Int).SetBytes(m.Nat().Bytes(m))
		if !p.ProbablyPrime(8) || !new(big.Int).Rsh(p, 1).ProbablyPrime(8) || p.BitLen() != bits || g.PublicLen() != bits/8 {
			t.Fatalf("%v: the modulus is not a safe prime of %d bits", g, bits)
		}
		for seed := range byte(4) {
			x := new(big.Int).SetBytes(testEnv(seed).Bytes(modpExponentLen))
			d, err := g.New(testEnv(seed))
			if err != nil {
				t.Fatal(err)
			}
			if want := new(big.Int).Exp(big.NewInt(2), x, p).FillBytes(make([]byte, bits/8)); !bytes.Equal(d.Public(), want) {
				t.Errorf("%v seed %d: public value differs", g, seed)
			}
			peer := new(big.Int).Exp(big.NewInt(2), big.NewInt(int64(seed)*7919+12345), p)
			s, err := d.Shared(peer.FillBytes(make([]byte, bits/8)))
			if want := new(big.Int).Exp(peer, x, p).FillBytes(make([]byte, bits/8)); err != nil || !bytes.Equal(s.Bytes(), want) {
				t.Errorf("%v seed %d: shared value differs (%v)", g, seed, err)
			}
		}
	}
}

// A small value must come out in the full width: left-padded, RFC 2409 §5.
func TestMODPFixedWidth(t *testing.T) {
	one := append(make([]byte, modpExponentLen-1), 1)
	d, err := MODP2048.New(machine.NewEnv(bytes.NewReader(one)))
	if err != nil {
		t.Fatal(err)
	}
	two := append(make([]byte, 255), 2)
	if s, err := d.Shared(two); err != nil || !bytes.Equal(s.Bytes(), two) || !bytes.Equal(d.Public(), two) {
		t.Errorf("public %x, shared %v", d.Public(), err)
	}
}

func TestPeerValues(t *testing.T) {
	p := new(big.Int).SetBytes(group14.Nat().Bytes(group14))
	n := func(delta int64) []byte { return new(big.Int).Add(p, big.NewInt(delta)).FillBytes(make([]byte, 256)) }
	small := func(v byte) []byte { return append(make([]byte, 255), v) }
	curve := func(g Group) []byte {
		d, err := g.New(testEnv(9))
		if err != nil {
			t.Fatal(err)
		}
		return d.Public()
	}
	off := curve(ECP256)
	off[63] ^= 1
	for _, c := range []struct {
		name  string
		group Group
		value []byte
		ok    bool
	}{
		{"modp 0", MODP2048, small(0), false},
		{"modp 1", MODP2048, small(1), false},
		{"modp 2", MODP2048, small(2), true},
		{"modp p-2", MODP2048, n(-2), true},
		{"modp p-1", MODP2048, n(-1), false},
		{"modp p", MODP2048, n(0), false},
		{"modp p+2", MODP2048, n(2), false},
		{"modp all ones", MODP2048, bytes.Repeat([]byte{0xff}, 256), false},
		{"modp short", MODP2048, n(-2)[1:], false},
		{"modp long", MODP2048, append([]byte{0}, n(-2)...), false},
		{"modp empty", MODP2048, nil, false},
		{"ecp256 point", ECP256, curve(ECP256), true},
		{"ecp256 off the curve", ECP256, off, false},
		{"ecp256 zero", ECP256, make([]byte, 64), false},
		{"ecp256 with format octet", ECP256, append([]byte{4}, curve(ECP256)...), false},
		{"ecp384 point", ECP384, curve(ECP384), true},
		{"ecp384 point of ecp256", ECP384, curve(ECP256), false},
		{"unknown group", Group(2), small(2), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.group.Check(c.value); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrPublicValue) {
				t.Errorf("Check: %v", err)
			}
			d, err := c.group.New(testEnv(1))
			if err != nil {
				return
			}
			if _, err := d.Shared(c.value); (err == nil) != c.ok {
				t.Errorf("Shared: %v", err)
			}
			d.Destroy()
			if _, err := d.Shared(c.value); err == nil {
				t.Error("Shared works after Destroy")
			}
		})
	}
	if _, err := Group(5).New(testEnv(1)); !errors.Is(err, ErrUnknown) {
		t.Errorf("group 5: %v", err)
	}
}

func BenchmarkMODP2048(b *testing.B) {
	env := testEnv(1)
	peer, _ := MODP2048.New(env)
	for b.Loop() {
		d, _ := MODP2048.New(env)
		if _, err := d.Shared(peer.Public()); err != nil {
			b.Fatal(err)
		}
	}
}
