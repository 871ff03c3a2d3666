package pull

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

var (
	gmAddr = netip.MustParseAddrPort("10.1.0.1:848")
	ksAddr = netip.MustParseAddrPort("10.0.0.1:848")
	blue   = gdoi.GroupIDFromUint32(1234)
)

func seededEnv(seed byte) *machine.Env {
	return machine.NewEnv(rand.NewChaCha8([32]byte{seed}))
}

// phase1 brings up a pair of sessions. edit may change the datagrams of Main Mode on their way.
func phase1(t testing.TB, gmEnv, ksEnv *machine.Env, edit func([]byte) []byte) (gm, ks *ike1.Session) {
	t.Helper()
	suites, err := suite.ParsePhase1("aes128-sha256-ecp256")
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ike1.Config{
		Suites: []suite.Phase1{suites},
		PSK:    func(netip.Addr) *machine.Secret { return machine.NewSecret([]byte("a pre-shared key of the tests")) },
	}
	now := machine.Now{Wall: time.Unix(1700000000, 0)}
	gm = ike1.NewInitiator(gmEnv, cfg, gmAddr, ksAddr)
	queue := gm.Start(now, nil)
	for len(queue) > 0 {
		s := queue[0].(machine.Send)
		queue = queue[1:]
		if edit != nil {
			s.Bytes = edit(s.Bytes)
		}
		switch {
		case s.Remote == gmAddr:
			queue, err = gm.Handle(now, s.Bytes, queue)
		case ks == nil:
			if ks, err = ike1.NewResponder(ksEnv, cfg, ksAddr, gmAddr, s.Bytes); err == nil {
				queue = ks.Start(now, queue)
			}
		default:
			queue, err = ks.Handle(now, s.Bytes, queue)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if gm.State() != ike1.StateEstablished || ks.State() != ike1.StateEstablished {
		t.Fatalf("phase 1: %v, %v", gm.State(), ks.State())
	}
	return gm, ks
}

// stripVendor removes our vendor id from messages 1 and 2, where it is in clear: a peer of another make.
func stripVendor(b []byte) []byte {
	h, err := isakmp.ParseHeader(b)
	if err != nil || h.Flags != 0 {
		return b
	}
	chain, _, err := isakmp.ParseChain(h.NextPayload, b[isakmp.HeaderLen:])
	if err != nil {
		return b
	}
	var ps []isakmp.Payload
	for _, r := range chain {
		if r.Type != isakmp.PayloadVID || !bytes.Equal(r.Body(), isakmp.VendorIDGetVPN) {
			ps = append(ps, verbatim{r})
		}
	}
	return isakmp.Message(h, ps...)
}

type verbatim struct{ raw isakmp.Raw }

func (v verbatim) Type() isakmp.PayloadType   { return v.raw.Type }
func (v verbatim) AppendBody(b []byte) []byte { return append(b, v.raw.Body()...) }

// spki is the public key of the reference session.
func spki(t testing.TB) []byte {
	t.Helper()
	return fixture(t, "testdata/reference.txt")["spki"]
}

// fixture reads "name hex" lines; # starts a comment.
func fixture(t testing.TB, file string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string][]byte{}
	for _, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		name, digits, _ := strings.Cut(line, " ")
		if m[name], err = hex.DecodeString(digits); err != nil {
			t.Fatal(file, err)
		}
	}
	return m
}

// testOffer is a full one: KEK, two epochs of TEKs, delays, access list, sender ids.
func testOffer(t testing.TB) *Offer {
	t.Helper()
	list, err := policy.ParseList("deny udp any eq 848 any eq 848\npermit ip 10.0.0.0/8 10.0.0.0/8\npermit tcp host 192.0.2.1 any eq 80\npermit tcp any eq 80 host 192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	secret := func(first byte, n int) *machine.Secret {
		return machine.NewSecret(bytes.Repeat([]byte{first}, n))
	}
	return &Offer{
		KEK: &KEKOffer{
			SPI: gdoi.KEKSPI{1, 2, 3, 15: 16}, Suite: suite.KEKAES256CBC, Key: secret(0x11, 32), IV: secret(0x22, 16),
			Lifetime: 86000, SigHash: machine.SHA256, SigKeyDER: spki(t), SigKeyBits: 2048,
			Src: ksAddr, Dst: netip.MustParseAddrPort("0.0.0.0:848"),
		},
		Seq: 7,
		TEKs: []TEKOffer{
			{SPI: 0x1001, Suite: suite.ESPAES256GCM16, Key: secret(0x33, 36), Lifetime: 60, Policy: list.Permits()},
			{SPI: 0x1002, Suite: suite.ESPAES128GCM16, Key: secret(0x44, 20), Lifetime: 3600, Policy: list.Permits()},
		},
		ATD: 40 * time.Second, DTD: 70 * time.Second,
		AccessList: list,
		SIDBits:    24, SIDs: []gdoi.SID{5},
	}
}

// encoded is everything that an offer says, for comparison.
func encoded(o *Offer) string {
	b := o.SA(true).AppendBody(nil)
	b = o.KD(true).AppendBody(b)
	return hex.EncodeToString(isakmp.SEQ{Number: o.Seq}.AppendBody(b))
}
