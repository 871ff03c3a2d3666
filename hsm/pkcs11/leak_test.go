//go:build cgo

package pkcs11

import (
	"bufio"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
	"github.com/getvpn/getvpn/hsm/remains"
	"github.com/getvpn/getvpn/hsm/remains/remainstest"
)

// TestMain lets the test binary be a process that uses a token, for others to look into.
func TestMain(m *testing.M) {
	if uri := os.Getenv("GETVPN_TEST_TOKEN"); uri != "" {
		if err := user(uri); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// user opens a token and does what it is told, a word a line; it says when it has.
func user(uri string) error {
	u, err := hsm.ParseURI(uri)
	if err != nil {
		return err
	}
	ctx := context.Background()
	h, err := Open(ctx, Options{Token: u, AllowOAEPSHA1: true})
	if err != nil {
		return err
	}
	window, err := hsm.NewWindow()
	if err != nil {
		return err
	}
	for name, spec := range leakKeys {
		if err := h.Ensure(ctx, name, spec); err != nil {
			return err
		}
	}
	var held []byte
	fmt.Println("open")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "use":
			err = useAll(ctx, h, window)
		case "wrap":
			err = wrapForUs(ctx, h)
		case "hold":
			held, err = window.Reveal(ctx, h, "kek")
		case "wipe":
			clear(held)
		}
		if err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}

var leakKeys = map[string]hsm.Spec{
	"rekey":     {Kind: hsm.RSA2048, Use: hsm.Sign},
	"rekey-ec":  {Kind: hsm.P256, Use: hsm.Sign},
	"kek":       {Kind: hsm.AES256, Use: hsm.Encrypt, Movable: true},
	"state":     {Kind: hsm.AES256, Use: hsm.Seal},
	"transport": {Kind: hsm.RSA2048, Use: hsm.Transport},
}

// useAll is the use of many callers at once.
func useAll(ctx context.Context, h hsm.Token, window *hsm.Window) error {
	var wg sync.WaitGroup
	failed := make(chan error, 4)
	for i := range cap(failed) {
		wg.Go(func() {
			for range 2 {
				if err := use(ctx, h, window, fmt.Sprint("kek-", i)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

// use does everything once that a key server does with a token.
func use(ctx context.Context, h hsm.Token, window *hsm.Window, copied string) error {
	if _, err := h.Sign(ctx, "rekey", hsm.RSAPKCS1v15, crypto.SHA256, digest); err != nil {
		return err
	}
	if _, err := h.Sign(ctx, "rekey-ec", hsm.ECDSAConcat, crypto.SHA256, digest); err != nil {
		return err
	}
	push := make([]byte, 512)
	pattern(push)
	_, err := h.EncryptCBC(ctx, "kek", digest[:16], push)
	clear(push)
	if err != nil {
		return err
	}
	value, err := window.Reveal(ctx, h, "kek")
	clear(value)
	if err != nil {
		return err
	}
	if _, _, err := hsm.OpenEnvelope(ctx, h, "state", nil); err != nil {
		return err
	}
	to, err := h.TransportKey(ctx, "transport")
	if err != nil {
		return err
	}
	wrapped, err := h.Wrap(ctx, "kek", to)
	if err != nil {
		return err
	}
	if err := h.Unwrap(ctx, "transport", wrapped, copied, leakKeys["kek"]); err != nil {
		return err
	}
	return h.Destroy(ctx, copied)
}

// pattern fills b with octets that stand for the keys in a PUSH, and leaves no other copy.
func pattern(b []byte) {
	x := byte(1)
	for i := range b {
		x = x*5 + 113
		b[i] = x ^ byte(i>>8)
	}
}

// wrapForUs says what a key is wrapped as for a key of this process, with every octet inverted, so that it is found only
// where it was left. What is wrapped so is as good as the key to whoever reads this memory.
func wrapForUs(ctx context.Context, h hsm.Token) error {
	ours, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	wrapped, err := h.Wrap(ctx, "kek", hsm.TransportKey{Public: &ours.PublicKey, OAEP: hsm.OAEPSHA1})
	if err != nil {
		return err
	}
	for i := range wrapped {
		wrapped[i] ^= 0xff
	}
	fmt.Printf("%x\n", wrapped)
	return nil
}

// process is a user in a process of its own.
type process struct {
	*remainstest.Process
	t *testing.T
}

func startUser(t *testing.T, s *hsmtest.SoftHSM) *process {
	t.Helper()
	p := &process{remainstest.Start(t, "GETVPN_TEST_TOKEN="+s.URI("one").String()), t}
	p.answer("open")
	return p
}

func (p *process) answer(want string) {
	p.t.Helper()
	if got := p.Line(); got != want {
		p.t.Fatalf("the process says %q, want %q", got, want)
	}
}

func (p *process) do(what string) {
	p.t.Helper()
	p.Tell(what)
	p.answer("done")
}

func (p *process) wrapped() []byte {
	p.t.Helper()
	p.Tell("wrap")
	line := p.Line()
	b, err := hex.DecodeString(line)
	if err != nil || len(b) == 0 {
		p.t.Fatalf("the process says %q", line)
	}
	p.answer("done")
	for i := range b {
		b[i] ^= 0xff
	}
	return b
}

func (p *process) memory(f *remains.Finder) []remains.Find {
	p.t.Helper()
	all, err := f.Memory(p.PID)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// TestLeak: what a process has of the token's secrets in memory, with controls that the scan finds what is there.
func TestLeak(t *testing.T) {
	remainstest.SkipRaced(t)
	s := hsmtest.NewSoftHSM(t, "one")
	p := startUser(t, s)
	push := make([]byte, 512)
	pattern(push)
	f := s.Finder(t, "one", remains.Secret{Name: "PUSH", Value: push[:64]})
	clean := func(when string) {
		t.Helper()
		for _, x := range p.memory(f) {
			t.Errorf("%s: the %s has %s", when, x.Owner, x)
		}
	}
	clean("opened")
	for range 3 {
		p.do("use")
		clean("used")
	}
	path, err := remains.NewFinder(remains.Secret{Name: "path", Value: []byte(filepath.Join(filepath.Dir(s.Config), "tokens"))})
	if err != nil {
		t.Fatal(err)
	}
	// Nothing but the module knows where the tokens are.
	if len(remains.By(p.memory(path), remains.CHeap)) == 0 {
		t.Error("the scan does not see what the module has on its heap")
	}
	for range 20 {
		wrapped := p.wrapped()
		w, err := remains.NewFinder(remains.Secret{Name: "wrapped KEK", Value: wrapped[16:]}) // the head is where free notes its list
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range p.memory(w) {
			t.Errorf("wrapped: the %s has %s", x.Owner, x)
		}
	}
	p.do("hold")
	if found := p.memory(f); len(found) != 1 || found[0].Secret != "kek value" || found[0].Octets != 32 || found[0].Owner != remains.Program {
		t.Errorf("a KEK that the window shows was found as %v, want it once and whole", found)
	}
	p.do("wipe")
	clean("wiped")
}
