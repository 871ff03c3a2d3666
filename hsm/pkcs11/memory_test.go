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

// TestPINDoesNotStay: after the login the PIN is nowhere in the memory of the process, the module's included.
func TestPINDoesNotStay(t *testing.T) {
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
	opened(t, o)
	if n, m := hidden.inMemory(t); n+m > 0 {
		t.Errorf("after the login the PIN lies in %d places, and in %d of the module", n, m)
	}
}
