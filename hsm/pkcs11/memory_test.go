//go:build cgo && !race

package pkcs11

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
)

// secret is a needle that does not find itself: it is kept masked, and what is read is masked before it is compared.
type secret []byte

const mask = 0xA5

func hide(b []byte) secret {
	s := make(secret, len(b))
	for i := range b {
		s[i] = b[i] ^ mask
	}
	return s
}

// inMemory counts the places of this process where the secret lies open: in the memory of Go, and in the module's.
func (s secret) inMemory(t *testing.T) (ours, module int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skipf("the memory of the process cannot be read here: %v", err)
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skipf("the memory of the process cannot be read here: %v", err)
	}
	defer mem.Close()
	buf := make([]byte, 1<<20)
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var perm string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &perm); err != nil || perm[:2] != "rw" {
			continue
		}
		for ; from < to; from += uint64(len(buf) - len(s)) {
			m, _ := mem.ReadAt(buf[:min(uint64(len(buf)), to-from)], int64(from))
			for i := range buf[:m] {
				buf[i] ^= mask
			}
			n := bytes.Count(buf[:m], s)
			if from>>36 == uint64(uintptr(unsafe.Pointer(&buf[0])))>>36 {
				ours += n
			} else {
				module += n
			}
		}
	}
	return ours, module
}

// TestNothingStays: the PIN is nowhere after the login, and our memory has the value of a KEK only while a Window shows it. What a key
// server does with it meanwhile is measured with the daemon.
func TestNothingStays(t *testing.T) {
	s := hsmtest.NewSoftHSM(t)
	raw, pin := make([]byte, 12), make([]byte, 24)
	_, _ = rand.Read(raw)
	hex.Encode(pin, raw)
	file := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(file, pin, 0o600); err != nil {
		t.Fatal(err)
	}
	hidden := hide(pin)
	if n, _ := hidden.inMemory(t); n == 0 {
		t.Fatal("the scan does not find a PIN that is there")
	}
	clear(pin)
	// Another process reads the file, so that only the login brings the PIN into this one.
	if out, err := exec.Command("sh", "-c", `softhsm2-util --init-token --free --label random --so-pin 123456 --pin "$(cat "$1")"`, "sh", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	o := options(s, "random")
	o.PIN = PINFile(file)
	h := opened(t, o)
	if n, m := hidden.inMemory(t); n+m > 0 {
		t.Errorf("after the login the PIN lies in %d places, and in %d of the module", n, m)
	}
	if err := h.Ensure(t.Context(), "kek", hsm.Spec{Kind: hsm.AES256, Use: hsm.Encrypt, Movable: true}); err != nil {
		t.Fatal(err)
	}
	window, err := hsm.NewWindow()
	if err != nil {
		t.Fatal(err)
	}
	value, err := window.Reveal(t.Context(), h, "kek")
	if err != nil {
		t.Fatal(err)
	}
	hidden = hide(value)
	if n, _ := hidden.inMemory(t); n == 0 {
		t.Fatal("the scan does not find a KEK that is there")
	}
	clear(value)
	if n, _ := hidden.inMemory(t); n > 0 {
		t.Errorf("after the window is closed the KEK lies in %d places", n)
	}
	if _, err := h.EncryptCBC(t.Context(), "kek", make([]byte, 16), make([]byte, 256)); err != nil {
		t.Fatal(err)
	}
	n, module := hidden.inMemory(t)
	if n > 0 {
		t.Errorf("after encrypting in the token the KEK lies in %d places", n)
	}
	// SoftHSM calculates in this process, and does not wipe all of it; a token outside has no such memory.
	t.Logf("the module left the KEK in %d places of its own", module)
}
