package push

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"testing"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// TestInsider: a member holds the KEK, so it can change a genuine message as it likes, except for what SIG covers.
func TestInsider(t *testing.T) {
	k := testKey(t)
	m := &Message{Seq: 5, Deletes: []isakmp.Delete{DeleteTEKs(0x1001, 0x1002)}, Offer: tekOffer(t)}
	genuine := datagram(t, k, m, machine.SignRSAPKCS1)
	plain, f, err := k.open(0, genuine)
	if err != nil {
		t.Fatal(err)
	}
	if f.used == len(plain) {
		t.Fatal("choose a message with padding")
	}
	again := func(header func(h *isakmp.Header), edit func(p []byte) []byte) []byte {
		p := edit(bytes.Clone(plain))
		body, err := suite.EncryptCBC(k.Key.Bytes(), k.IV.Bytes(), p)
		if err != nil {
			t.Fatal(err)
		}
		h, _ := isakmp.ParseHeader(genuine)
		h.Length = uint32(isakmp.HeaderLen + len(body))
		if header != nil {
			header(&h)
		}
		return append(h.AppendTo(nil), body...)
	}
	same := func(p []byte) []byte { return p }
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"unchanged", again(nil, same), nil},
		{"padding says something", again(nil, func(p []byte) []byte { p[len(p)-1] = 1; return p }), ErrMalformed},
		{"a block of padding more", again(nil, func(p []byte) []byte { return append(p, make([]byte, 16)...) }), ErrMalformed},
		{"a payload after SIG", again(nil, func(p []byte) []byte {
			sig := f.used - len(f.sig) - 4
			p[sig] = byte(isakmp.PayloadVID)
			return append(p[:f.used], 0, 0, 0, 8, 1, 2, 3, 4)
		}), ErrMalformed},
		{"SIG one octet longer", again(nil, func(p []byte) []byte {
			sig := f.used - len(f.sig) - 4
			p[sig+3]++
			return p
		}), ErrSignature},
		{"a DELETE more", again(nil, func(p []byte) []byte {
			d := isakmp.AppendChain(nil, DeleteTEKs())
			d[0] = p[0]
			p[0] = byte(isakmp.PayloadDELETE)
			return append(append(append([]byte(nil), p[:8]...), d...), p[8:]...)
		}), ErrSignature},
		{"commit flag", again(func(h *isakmp.Header) { h.Flags |= isakmp.FlagCommit }, same), ErrMalformed},
		{"message id", again(func(h *isakmp.Header) { h.MessageID = 1 }, same), ErrMalformed},
		{"other exchange", again(func(h *isakmp.Header) { h.Exchange = isakmp.ExchangeGroupkeyPull }, same), ErrMalformed},
		{"other KEK", again(func(h *isakmp.Header) { h.ResponderCookie[7] ^= 1 }, same), ErrUnknownKEK},
		{"skips SEQ", again(func(h *isakmp.Header) { h.NextPayload = isakmp.PayloadSA }, func(p []byte) []byte { return p[8:] }), ErrMalformed},
	} {
		if _, err := Open(k, 4, c.b); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	// An old number is found before the signature is looked at: it costs no exponentiation.
	forged := again(nil, func(p []byte) []byte { p[f.used-1] ^= 1; return p })
	if _, err := Open(k, 5, forged); !errors.Is(err, ErrReplay) {
		t.Errorf("old number with a bad signature: %v", err)
	}
}

// TestDeleteOfAnotherDOI: SPIs of another domain are none of ours.
func TestDeleteOfAnotherDOI(t *testing.T) {
	d := DeleteTEKs(0x1001)
	d.DOI = isakmp.DOIIPsec
	if err := checkDelete(d); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

// TestSenderIDsInAPush: all members would send with the same ones. The key server itself signed them, so the number
// counts as used (RFC 6407 §5.6.4).
func TestSenderIDsInAPush(t *testing.T) {
	k := testKey(t)
	o := tekOffer(t)
	o.SIDBits, o.SIDs = 24, []gdoi.SID{7}
	ps := []isakmp.Payload{isakmp.SEQ{Number: 1}, o.SA(false), o.KD(true), isakmp.Sig{Data: make([]byte, k.Public.Len())}}
	chain := isakmp.AppendChain(nil, ps...)
	signed := chain[:len(chain)-4-k.Public.Len()]
	sig, err := rsa.SignPKCS1v15(nil, signKey(t), crypto.SHA256, digest(k.Hash, k.header(), isakmp.HeaderLen+len(chain), signed))
	if err != nil {
		t.Fatal(err)
	}
	copy(chain[len(chain)-len(sig):], sig)
	body, err := suite.EncryptCBC(k.Key.Bytes(), k.IV.Bytes(), chain)
	if err != nil {
		t.Fatal(err)
	}
	b := append(k.header().AppendTo(nil), body...)
	isakmp.SetLength(b)
	r := NewReceiver(k, 0)
	var e *Error
	if m, err := r.Open(b); m != nil || !errors.As(err, &e) || !e.Genuine || !errors.Is(err, ErrMalformed) || r.Last() != 1 {
		t.Errorf("got %v, %v", m, err)
	}
}
