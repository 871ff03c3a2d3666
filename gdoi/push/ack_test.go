package push

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"net/netip"
	"testing"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// plainAck writes an acknowledgement straight from the figures of RFC 8263 and RFC 2408, with nothing of this package.
func plainAck(h func() hash.Hash, bits uint16, base, spi []byte, seq uint32, addr netip.Addr) []byte {
	mac := func(key []byte, parts ...[]byte) []byte {
		m := hmac.New(h, key)
		m.Write(bytes.Join(parts, nil))
		return m.Sum(nil)
	}
	ackKey := mac(base, []byte("GROUPKEY-PUSH ACK"), []byte{0}, spi, []byte{byte(bits >> 8), byte(bits)})
	idType := byte(1)
	if addr.Is6() {
		idType = 5
	}
	seqPayload := []byte{5, 0, 0, 8, byte(seq >> 24), byte(seq >> 16), byte(seq >> 8), byte(seq)}
	idPayload := append([]byte{0, 0, 0, byte(8 + addr.BitLen()/8), idType, 0, 0, 0}, addr.AsSlice()...)
	sum := mac(ackKey, seqPayload, idPayload)
	hashPayload := append([]byte{18, 0, 0, byte(4 + len(sum))}, sum...)
	body := bytes.Join([][]byte{hashPayload, seqPayload, idPayload}, nil)
	header := append(append([]byte{}, spi...), 8, 0x10, 35, 0, 0, 0, 0, 0, 0, 0, 0, byte(28+len(body)))
	return append(header, body...)
}

var ackCases = []struct {
	name string
	typ  AckType
	hash func() hash.Hash
	bits uint16
	addr string
	// mac is HASH over the inputs of TestAckVectors, computed with Python's hmac.
	mac string
}{
	{"kek-sha256", isakmp.AckKEKSHA256, sha256.New, 512, "172.16.1.1", ackMAC256},
	{"lkh-sha256", isakmp.AckLKHSHA256, sha256.New, 512, "172.16.1.1", ackMAC256},
	{"kek-sha512", isakmp.AckKEKSHA512, sha512.New, 1024, "172.16.1.1", ackMAC512},
	{"lkh-sha512", isakmp.AckLKHSHA512, sha512.New, 1024, "172.16.1.1", ackMAC512},
	{"ipv6", isakmp.AckKEKSHA256, sha256.New, 512, "2001:db8::1", ackMAC256v6},
}

func ackFixture(t testing.TB, typ AckType) (*AckKey, []byte, gdoi.KEKSPI) {
	t.Helper()
	base := make([]byte, 32)
	var spi gdoi.KEKSPI
	for i := range base {
		base[i] = byte(i)
	}
	for i := range spi {
		spi[i] = byte(0xa0 + i)
	}
	k, err := NewAckKey(typ, machine.NewSecret(base), spi)
	if err != nil {
		t.Fatal(err)
	}
	return k, base, spi
}

func TestAckVectors(t *testing.T) {
	for _, c := range ackCases {
		t.Run(c.name, func(t *testing.T) {
			k, base, spi := ackFixture(t, c.typ)
			addr := netip.MustParseAddr(c.addr)
			got := k.Build(0x01020304, addr)
			if want := plainAck(c.hash, c.bits, base, spi[:], 0x01020304, addr); !bytes.Equal(got, want) {
				t.Fatalf("got  %x\nwant %x", got, want)
			}
			mac, err := hex.DecodeString(c.mac)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got[32:32+len(mac)], mac) {
				t.Errorf("HASH is %x, want %x", got[32:32+len(mac)], mac)
			}
			a, err := ParseAck(got)
			if err != nil {
				t.Fatal(err)
			}
			if a.SPI != spi || a.Seq != 0x01020304 || a.Member != addr {
				t.Errorf("read back as %v %d %v", a.SPI, a.Seq, a.Member)
			}
			if err := k.Verify(a); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAckEveryOctetCounts turns each octet of a genuine acknowledgement: none may pass.
func TestAckEveryOctetCounts(t *testing.T) {
	k, _, _ := ackFixture(t, isakmp.AckKEKSHA256)
	genuine := k.Build(7, netip.MustParseAddr("10.0.0.2"))
	for i := range genuine {
		b := bytes.Clone(genuine)
		b[i] ^= 1
		a, err := ParseAck(b)
		if err == nil {
			err = k.Verify(a)
		}
		var e *Error
		if !errors.As(err, &e) || e.Genuine {
			t.Errorf("octet %d turned: %v", i, err)
		}
	}
	for n := range genuine {
		if _, err := ParseAck(genuine[:n]); err == nil {
			t.Errorf("the first %d octets are accepted", n)
		}
	}
	if _, err := ParseAck(append(bytes.Clone(genuine), 0)); err == nil {
		t.Error("an octet more is accepted")
	}
}

func TestAckKeyNeedsWhatTheTypeSays(t *testing.T) {
	k := testKey(t)
	leaf := secret(0x77, 32)
	for _, c := range []struct {
		typ    AckType
		leaf   *machine.Secret
		usable bool
	}{
		{0, leaf, false},
		{isakmp.AckKEKSHA256, nil, true},
		{isakmp.AckLKHSHA256, nil, false},
		{isakmp.AckLKHSHA256, leaf, true},
		{isakmp.AckKEKSHA512, leaf, true},
		{5, leaf, false},
	} {
		k.Ack = c.typ
		a := k.AckKey(c.leaf)
		if (a != nil) != c.usable {
			t.Errorf("type %v with leaf %v: key is there: %v, want %v", c.typ, c.leaf != nil, a != nil, c.usable)
		}
		if a != nil && a.key.Equal(k.Key) {
			t.Error("the KEK itself is the key")
		}
	}
	k.Ack = isakmp.AckKEKSHA256
	kek := k.AckKey(nil)
	k.Ack = isakmp.AckLKHSHA256
	own := k.AckKey(leaf)
	a, err := ParseAck(kek.Build(1, netip.MustParseAddr("10.0.0.2")))
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Verify(a); !errors.Is(err, ErrAckForged) {
		t.Errorf("a holder of the KEK acknowledges for another member: %v", err)
	}
}

// FuzzAck: what is accepted as genuine is, octet for octet, what the member would have built.
func FuzzAck(f *testing.F) {
	k, _, spi := ackFixture(f, isakmp.AckKEKSHA256)
	f.Add(k.Build(1, netip.MustParseAddr("10.0.0.2")))
	f.Add(k.Build(1<<31, netip.MustParseAddr("2001:db8::1")))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAck(b)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Reason == "failed" {
				t.Fatalf("error without a reason: %v", err)
			}
			return
		}
		h := isakmp.Header{Exchange: isakmp.ExchangeGroupkeyPushAck}
		copy(h.InitiatorCookie[:], a.SPI[:8])
		copy(h.ResponderCookie[:], a.SPI[8:])
		id := isakmp.ID{IDType: isakmp.IDIPv4Addr, Data: a.Member.AsSlice()}
		if a.Member.Is6() {
			id.IDType = isakmp.IDIPv6Addr
		}
		if out := isakmp.Message(h, isakmp.Hash{Data: a.hash}, isakmp.SEQ{Number: a.Seq}, id); !bytes.Equal(out, b) {
			t.Fatalf("read  %x\nwrote %x", b, out)
		}
		if a.SPI == spi && k.Verify(a) == nil && !bytes.Equal(k.Build(a.Seq, a.Member), b) {
			t.Fatalf("%x verifies and is not what the member builds", b)
		}
	})
}

const (
	ackMAC256   = "bee54202a0b4b6d73da69aa78c3088b7d85e1c09ef80e6156a8dc0ca19261c2e"
	ackMAC512   = "0c9ac6d05592fa8327fea7350c8099d73b77ba3dfe245312f68a417948da7872166ea2a3dcd3dd9f65a0f396bfb25437714413ba64ad00ec5742dced7c9b3695"
	ackMAC256v6 = "9cfea5addd07d3d15a22e48a8bf77a67d82d0e5f5f9529e1236dc943988b4ecc"
)
