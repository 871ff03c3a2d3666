package remains

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/hsm/remains/remainstest"
)

// value is a secret that the child makes for itself, so that it is in no argument, no environment and no binary.
func value(seed string) []byte {
	sum := sha256.Sum256([]byte(seed))
	return sum[:]
}

// TestMain lets the test binary be the process that is looked into.
func TestMain(m *testing.M) {
	if seed := os.Getenv("REMAINS_SEED"); seed != "" {
		holder(seed)
		return
	}
	os.Exit(m.Run())
}

// holder has the secret on the heap while a line of stdin is awaited, and wipes it after that.
func holder(seed string) {
	kept := value(seed)
	heap := append(make([]byte, 0, 100), kept...)
	clear(kept)
	in := bufio.NewReader(os.Stdin)
	fmt.Println("holds")
	_, _ = in.ReadString('\n')
	clear(heap)
	fmt.Println("wiped")
	_, _ = in.ReadString('\n')
	runtime.KeepAlive(heap)
}

func finder(t *testing.T, secrets ...Secret) *Finder {
	t.Helper()
	f, err := NewFinder(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMemory(t *testing.T) {
	remainstest.SkipRaced(t)
	p := remainstest.Start(t, "REMAINS_SEED="+t.Name())
	f := finder(t, Secret{"secret", value(t.Name())})
	for _, want := range []bool{true, false} {
		p.Line()
		all, err := f.Memory(p.PID)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(all)
		whole := 0
		for _, x := range By(all, Program) {
			if x.Octets == x.Of {
				whole++
			}
		}
		if want != (whole > 0) {
			t.Errorf("found whole %d times in %v, want any: %t", whole, all, want)
		}
		p.Tell("")
	}
}

// TestForms: what programs make of a secret is found, at any place, whole and in pieces; other octets are not.
func TestForms(t *testing.T) {
	v := value("forms")
	f := finder(t, Secret{"secret", v}, Secret{"another", value("another")})
	for _, row := range []struct {
		name, form string
		b          []byte
		octets     int
	}{
		{"whole", "octets", v, 32},
		{"its end", "octets", v[20:], 12},
		{"its middle", "octets", v[5:13], 8},
		{"too little", "", v[5:12], 0},
		{"limbs", "reversed", swapped(v, 32), 32},
		{"of a hash", "32-bit words", swapped(v, 4), 32},
		{"of a long hash", "64-bit words", swapped(v, 8), 32},
		{"hex", "hex", []byte(hex.EncodeToString(v)), 32},
		{"HEX", "hex", []byte(strings.ToUpper(hex.EncodeToString(v[:9]))), 9},
		{"in base64", "base64", []byte(base64.StdEncoding.EncodeToString(v)), 31},
		{"in base64, shifted", "base64", []byte(base64.StdEncoding.EncodeToString(append([]byte("x"), v...))), 31},
		{"in base64, shifted more", "base64", []byte(base64.RawURLEncoding.EncodeToString(append([]byte("xy"), v...))), 30},
		{"nothing", "", make([]byte, 100), 0},
	} {
		for shift := range 9 {
			b := append(bytes.Repeat([]byte{0xa5}, shift), row.b...)
			all := f.Octets(append(b, 0xa5, 0xa5), 0, "here")
			if row.octets == 0 {
				if len(all) != 0 {
					t.Errorf("%s: %v", row.name, all)
				}
				continue
			}
			if len(all) != 1 || all[0].Form != row.form || all[0].Octets < row.octets-1 || all[0].Octets > row.octets+1 || all[0].At < uint64(shift) || all[0].At > uint64(shift+3) || all[0].Secret != "secret" {
				t.Errorf("%s at %d: %v, want %d octets as %s", row.name, shift, all, row.octets, row.form)
			}
		}
	}
	if _, err := NewFinder(Secret{"short", v[:7]}); err == nil {
		t.Error("7 octets are accepted")
	}
}

func TestPages(t *testing.T) {
	v := value("pages")
	f := finder(t, Secret{"secret", v})
	for _, at := range []int{0, 1, 4090, 4096, 8192 - 32, 12000, chunk - 5, chunk - 1} {
		b := make([]byte, chunk+f.longest)
		copy(b[at:], v)
		all := f.pages(b, chunk, 0x1000, "here")
		if len(all) != 1 || all[0].At != uint64(0x1000+at) || all[0].Octets != 32 { //nolint:gosec // not negative
			t.Errorf("at %d: %v", at, all)
		}
	}
}

func TestFiles(t *testing.T) {
	v, dir := value("files"), t.TempDir()
	f := finder(t, Secret{"secret", v})
	if all, err := f.Files(dir); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"one": "nothing", "below/two": "key: " + hex.EncodeToString(v), hex.EncodeToString(v[:10]): ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := f.Files(dir)
	if err != nil || len(all) != 2 {
		t.Errorf("%v %v", all, err)
	}
	if _, err := f.Files(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there has no error")
	}
}
