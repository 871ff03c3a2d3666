package isakmp

import (
	"bytes"
	"testing"

	"github.com/getvpn/getvpn/gdoi/refsession"
)

// fuzz feeds one payload parser: it must not panic, must fail with ErrMalformed, and what it accepts must be stable.
func fuzz(f *testing.F, name string) {
	for _, b := range bodies()[name] {
		f.Add(b)
	}
	parse := parsers[name].parse
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := parse(body)
		if err != nil {
			malformed(t, err)
			return
		}
		stable(t, parse, body, v)
	})
}

func FuzzSAPhase1(f *testing.F) { fuzz(f, "SAPhase1") }
func FuzzSAGDOI(f *testing.F)   { fuzz(f, "SAGDOI") }
func FuzzSAK(f *testing.F)      { fuzz(f, "SAK") }
func FuzzSAT(f *testing.F)      { fuzz(f, "SAT") }
func FuzzGAP(f *testing.F)      { fuzz(f, "GAP") }
func FuzzKD(f *testing.F)       { fuzz(f, "KD") }
func FuzzKE(f *testing.F)       { fuzz(f, "KE") }
func FuzzID(f *testing.F)       { fuzz(f, "ID") }
func FuzzCert(f *testing.F)     { fuzz(f, "Cert") }
func FuzzCertReq(f *testing.F)  { fuzz(f, "CertReq") }
func FuzzHash(f *testing.F)     { fuzz(f, "Hash") }
func FuzzSig(f *testing.F)      { fuzz(f, "Sig") }
func FuzzNonce(f *testing.F)    { fuzz(f, "Nonce") }
func FuzzNotify(f *testing.F)   { fuzz(f, "Notify") }
func FuzzDelete(f *testing.F)   { fuzz(f, "Delete") }
func FuzzVendorID(f *testing.F) { fuzz(f, "VendorID") }
func FuzzSEQ(f *testing.F)      { fuzz(f, "SEQ") }
func FuzzNATD(f *testing.F)     { fuzz(f, "NATD") }
func FuzzNATOA(f *testing.F)    { fuzz(f, "NATOA") }

func FuzzFragment(f *testing.F) { fuzz(f, "Fragment") }

func FuzzHeader(f *testing.F) {
	for _, fr := range refsession.Load().Frames {
		f.Add(fr.Data)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			malformed(t, err)
			return
		}
		if out := h.AppendTo(nil); !bytes.Equal(out, b[:HeaderLen]) {
			t.Fatalf("read  %x\nwrote %x", b, out)
		}
	})
}

// raw writes a payload as it arrived.
type raw struct{ Raw }

func (r raw) Type() PayloadType          { return r.Raw.Type }
func (r raw) AppendBody(b []byte) []byte { return append(b, r.Body()...) }

func FuzzChain(f *testing.F) {
	s := refsession.Load()
	for _, m := range s.Pull.Messages {
		f.Add(byte(PayloadHASH), []byte(m.Plaintext))
	}
	for _, m := range s.Push {
		f.Add(byte(PayloadSEQ), []byte(m.Plaintext))
	}
	f.Fuzz(func(t *testing.T, first byte, b []byte) {
		chain, used, err := ParseChain(PayloadType(first), b)
		if err != nil {
			malformed(t, err)
			return
		}
		ps := make([]Payload, len(chain))
		for i, r := range chain {
			ps[i] = raw{r}
		}
		if out := AppendChain(nil, ps...); !bytes.Equal(out, b[:used]) || FirstType(ps...) != PayloadType(first) {
			t.Fatalf("read  %x\nwrote %x", b[:used], out)
		}
	})
}

func FuzzAttributes(f *testing.F) {
	f.Add(unhex("80020003 80030100 0004 0004 00015180"))
	f.Fuzz(func(t *testing.T, b []byte) {
		as, err := ParseAttributes(b)
		if err != nil {
			malformed(t, err)
			return
		}
		if out := AppendAttributes(nil, as); !bytes.Equal(out, b) {
			t.Fatalf("read  %x\nwrote %x", b, out)
		}
		for _, a := range as {
			if _, err := a.Uint(); err != nil {
				malformed(t, err)
			}
		}
	})
}
