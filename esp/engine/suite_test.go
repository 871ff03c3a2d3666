package engine_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/spd"
)

func suiteKey(s esp.Suite) []byte {
	return bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}, 16)[:s.KeyMatLen()]
}

func suiteMember(t testing.TB, s esp.Suite, sid uint32) member {
	t.Helper()
	m := bare(t, engine.Config{})
	must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}, Registered: true}))
	must(t, m.Install(engine.SA{Group: "blue", SPI: spi, Suite: s, KeyMat: suiteKey(s), SIDBits: 24, SIDs: []uint32{sid}}))
	must(t, m.Activate("blue", 0, spi))
	return m
}

// TestSuitesThereAndBack: with every suite packets of every size up to the MTU arrive, twice they do not, senders have
// windows of their own, and one that starts again, with a new sender id, is heard at once.
func TestSuitesThereAndBack(t *testing.T) {
	for _, s := range esp.Suites() {
		t.Run(s.String(), func(t *testing.T) {
			a, a2, b := suiteMember(t, s, 1), suiteMember(t, s, 3), suiteMember(t, s, 2)
			mtu := a.InnerMTU()
			if mtu != s.InnerMax(1500, 20) {
				t.Fatal("inner MTU", mtu)
			}
			var last []byte
			for n := mtu - 20; n <= mtu; n++ {
				p := inner(17, n, df)
				last = a.sealed(t, p)
				if len(last) > 1500 || !bytes.Equal(last[12:20], p[12:20]) {
					t.Fatalf("%d octets make %d", n, len(last))
				}
				if r := b.in(last); r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), p) {
					t.Fatalf("%d octets: %+v", n, r)
				}
			}
			for _, row := range []struct {
				name string
				rx   member
				b    []byte
				want engine.Reason
			}{
				{"again", b, last, engine.Replay},
				{"thrown back", a, last, engine.OwnSender},
				{"another sender's first", b, a2.sealed(t, inner(17, 100)), engine.None},
				{"a forged sequence number", b, func() []byte { c := bytes.Clone(last); c[27]++; return c }(), engine.AuthFailed},
			} {
				if r := row.rx.in(row.b); r.Reason != row.want {
					t.Errorf("%s: %v, want %v", row.name, r.Reason, row.want)
				}
			}
			if st := b.Stats().SAs[0]; st.Senders != 2 {
				t.Errorf("%d windows", st.Senders)
			}
			if r := a.out(inner(17, mtu+1, df)); r[0].Reason != engine.TooBig {
				t.Errorf("over the MTU: %+v", r)
			}
			for _, r := range a.out(inner(17, 3000)) {
				if r.Action != engine.Send || r.Len > 1500 {
					t.Errorf("fragment: %+v", r)
				}
			}
		})
	}
}

// TestInnerMTUFollowsSuites: the installed SA that takes most room counts.
func TestInnerMTUFollowsSuites(t *testing.T) {
	m := suiteMember(t, esp.AES256GCM, 1)
	big := esp.AES256CBCSHA512
	for _, step := range []struct {
		do   func() error
		want int
	}{
		{func() error { return nil }, 1446},
		{func() error {
			return m.Install(engine.SA{Group: "blue", SPI: 2000, Suite: big, KeyMat: suiteKey(big), SIDBits: 24, SIDs: []uint32{1}})
		}, big.InnerMax(1500, 20)},
		{func() error { return m.SetMTU(1400) }, big.InnerMax(1400, 20)},
		{func() error { return m.Retire("blue", 2000) }, 1346},
	} {
		must(t, step.do())
		if m.InnerMTU() != step.want {
			t.Errorf("%d, want %d", m.InnerMTU(), step.want)
		}
	}
	if m.Install(engine.SA{Group: "blue", SPI: 3000, KeyMat: suiteKey(big)}) == nil {
		t.Error("no suite, and a key of no AES-GCM")
	}
}

// strange seals as another implementation would: a random IV, no sender id.
func strange(t *testing.T, seq uint32, iv byte, p []byte) []byte {
	s := esp.AES128CBCSHA256
	b := binary.BigEndian.AppendUint32(nil, spi)
	b = append(binary.BigEndian.AppendUint32(b, seq), bytes.Repeat([]byte{iv}, 16)...)
	plain := bytes.Clone(p)
	for i := byte(1); len(plain)%16 != 14; i++ {
		plain = append(plain, i)
	}
	next := byte(esp.NextIPv4)
	if packet.Version(p) == 6 {
		next = esp.NextIPv6
	}
	plain = append(plain, byte(len(plain)-len(p)), next)
	block, err := aes.NewCipher(suiteKey(s)[:16])
	must(t, err)
	cipher.NewCBCEncrypter(block, b[8:]).CryptBlocks(plain, plain)
	b = append(b, plain...)
	h := hmac.New(sha256.New, suiteKey(s)[16:])
	h.Write(b)
	b = append(b, h.Sum(nil)[:16]...)
	hdr, err := packet.Parse(p)
	must(t, err)
	out := make([]byte, hdr.OuterLen(), hdr.OuterLen()+len(b))
	packet.PutOuter(out, &hdr, packet.ProtoESP, hdr.OuterLen()+len(b), 1)
	return append(out, b...)
}

// TestForeignSenders: packets without a sender id have a window for each source address, the authenticated one.
func TestForeignSenders(t *testing.T) {
	b := suiteMember(t, esp.AES128CBCSHA256, 2)
	from := func(host byte) []byte { return inner(17, 100, func(p []byte) { p[15] = host }) }
	moved := strange(t, 500, 4, from(1))
	moved[15] = 77 // the outer source, which nothing protects
	for _, row := range []struct {
		name string
		b    []byte
		want engine.Reason
	}{
		{"first", strange(t, 10, 1, from(1)), engine.None},
		{"again", strange(t, 10, 1, from(1)), engine.Replay},
		{"next", strange(t, 11, 2, from(1)), engine.None},
		{"another host with a number of its own", strange(t, 11, 3, from(2)), engine.None},
		{"another outer source", moved, engine.AddressMismatch},
		{"which has used the number up", strange(t, 500, 4, from(1)), engine.Replay},
		{"and made no window", strange(t, 1, 5, from(77)), engine.None},
		{"one of ours", suiteMember(t, esp.AES128CBCSHA256, 9).sealed(t, from(1)), engine.None},
	} {
		if r := b.in(row.b); r.Reason != row.want {
			t.Errorf("%s: %v, want %v", row.name, r.Reason, row.want)
		}
	}
	if n := b.Stats().SAs[0].Senders; n != 4 {
		t.Errorf("%d windows", n)
	}
}
