package ike1

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/suite"
)

var update = flag.Bool("update", false, "rewrite testdata")

const goldenFile = "testdata/mainmode.txt"

// goldenWire is Main Mode with fixed randomness, then an R-U-THERE and its answer, then a Delete.
func goldenWire(t *testing.T) *wire {
	m, s := config(), config()
	p, err := suite.ParsePhase1("aes256-sha256-modp2048")
	if err != nil {
		t.Fatal(err)
	}
	m.Suites, s.Suites = []suite.Phase1{fast, p}, []suite.Phase1{p}
	m.DPDInterval = 30 * time.Second
	w := newWire(t, m, s).start().run(31 * time.Second)
	w.established()
	w.emit(false, w.member.Delete(w.now, nil))
	return w.run(time.Second)
}

// TestGolden holds the octets on the wire: a change here is a change of the protocol.
func TestGolden(t *testing.T) {
	w := goldenWire(t)
	var b strings.Builder
	fmt.Fprintln(&b, "# Main Mode, DPD and Delete with fixed randomness; written by go test -update, one datagram per paragraph.")
	fmt.Fprintln(&b, "# Pre-shared key: mekmitasdigoat. TestGoldenByHand recomputes the keys and proofs from the RFC with the standard library.")
	for _, p := range w.log {
		fmt.Fprintf(&b, "\n%s\n", map[bool]string{true: "member to server", false: "server to member"}[p.toServer])
		for h := hex.EncodeToString(p.b); h != ""; {
			n := min(len(h), 96)
			fmt.Fprintln(&b, h[:n])
			h = h[n:]
		}
	}
	if *update {
		if err := os.WriteFile(goldenFile, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the conversation has changed; if that is meant, go test -update\n%s", b.String())
	}
}

func goldenMessages(t *testing.T) [][]byte {
	t.Helper()
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var msgs [][]byte
	for _, para := range strings.Split(string(text), "\n\n")[1:] {
		_, digits, _ := strings.Cut(para, "\n")
		m, err := hex.DecodeString(strings.ReplaceAll(digits, "\n", ""))
		if err != nil {
			t.Fatal(err)
		}
		msgs = append(msgs, m)
	}
	return msgs
}

// TestGoldenByHand is the independent oracle: RFC 2409 §5 and App. B written out with nothing but the standard library
// and the member's private value, which is the draw after cookie of the same stream.
func TestGoldenByHand(t *testing.T) {
	msgs := goldenMessages(t)
	if len(msgs) != 9 {
		t.Fatalf("%d messages", len(msgs))
	}
	e := env(1)
	cookie := e.Bytes(8)
	x := new(big.Int).SetBytes(e.Bytes(40))
	if !bytes.Equal(cookie, msgs[0][:8]) {
		t.Fatal("the initiator cookie is not the first draw")
	}
	payloads := func(msg []byte, first byte, b []byte) (bodies [][]byte) {
		for next := first; next != 0; {
			n := int(b[2])<<8 | int(b[3])
			bodies = append(bodies, b[4:n])
			next, b = b[0], b[n:]
		}
		return bodies
	}
	plain := func(m []byte) [][]byte { return payloads(m, m[16], m[28:]) }
	sai := plain(msgs[0])[0]
	gxi, ni := plain(msgs[2])[0], plain(msgs[2])[1]
	gxr, nr := plain(msgs[3])[0], plain(msgs[3])[1]
	cki, ckr := msgs[3][:8], msgs[3][8:16]
	p, _ := new(big.Int).SetString(""+
		"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"+
		"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"+
		"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"+
		"83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"+
		"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"+
		"15728E5A8AACAA68FFFFFFFFFFFFFFFF", 16)
	gxy := new(big.Int).Exp(new(big.Int).SetBytes(gxr), x, p).FillBytes(make([]byte, 256))
	prf := func(key []byte, parts ...[]byte) []byte {
		m := hmac.New(sha256.New, key)
		m.Write(bytes.Join(parts, nil))
		return m.Sum(nil)
	}
	skeyid := prf([]byte("mekmitasdigoat"), ni, nr)
	d := prf(skeyid, gxy, cki, ckr, []byte{0})
	a := prf(skeyid, d, gxy, cki, ckr, []byte{1})
	enc := prf(skeyid, a, gxy, cki, ckr, []byte{2})
	iv := sha256.Sum256(append(bytes.Clone(gxi), gxr...))
	block, err := aes.NewCipher(enc)
	if err != nil {
		t.Fatal(err)
	}
	chain := iv[:16]
	open := func(m []byte) [][]byte {
		out := make([]byte, len(m)-28)
		cipher.NewCBCDecrypter(block, chain).CryptBlocks(out, m[28:])
		chain = m[len(m)-16:]
		return payloads(m, m[16], out)
	}
	five, six := open(msgs[4]), open(msgs[5])
	if want := prf(skeyid, gxi, gxr, cki, ckr, sai, five[0]); !bytes.Equal(five[1], want) {
		t.Errorf("HASH_I %x, want %x", five[1], want)
	}
	if want := prf(skeyid, gxr, gxi, ckr, cki, sai, six[0]); !bytes.Equal(six[1], want) {
		t.Errorf("HASH_R %x, want %x", six[1], want)
	}
	if !bytes.Equal(five[0], []byte{1, 0, 0, 0, 10, 1, 0, 1}) || !bytes.Equal(six[0], []byte{1, 0, 0, 0, 10, 0, 0, 1}) {
		t.Errorf("identities %x %x", five[0], six[0])
	}
	// The Informational messages start from the last block of phase 1 and their message id.
	last := chain
	for i, want := range []isakmp.NotifyType{isakmp.RUThere, isakmp.RUThereAck, 0} {
		m := msgs[6+i]
		start := sha256.Sum256(append(bytes.Clone(last), m[20:24]...))
		chain = start[:16]
		out := open(m)
		body := out[1]
		wire := append([]byte{0, 0, byte((len(body) + 4) >> 8), byte(len(body) + 4)}, body...)
		if hash := prf(a, m[20:24], wire); !bytes.Equal(out[0], hash) {
			t.Errorf("message %d: HASH(1) %x, want %x", 7+i, out[0], hash)
		}
		if got := isakmp.NotifyType(uint16(body[6])<<8 | uint16(body[7])); want != 0 && got != want {
			t.Errorf("message %d is %s", 7+i, got)
		}
	}
}
