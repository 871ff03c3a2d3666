package wipe

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/getvpn/getvpn/hsm/remains"
	"github.com/getvpn/getvpn/hsm/remains/remainstest"
)

func value(seed string) []byte {
	sum := sha256.Sum256([]byte(seed))
	return sum[:]
}

// TestMain lets the test binary be the process that is looked into.
func TestMain(m *testing.M) {
	if seed := os.Getenv("WIPE_SEED"); seed != "" {
		careless(seed)
		return
	}
	os.Exit(m.Run())
}

var sink byte

// careless leaves copies of a secret on the heap and on the stack, of another one within After, and waits.
func careless(seed string) {
	leave := func(seed string) {
		kept := value(seed)
		for range 20 {
			kept = append(make([]byte, 0, 96), kept...)
			mac := hmac.New(sha256.New, kept)
			mac.Write(kept)
			sink += mac.Sum(nil)[0] + onStack(kept)
		}
	}
	leave(seed + "open")
	After(func() { leave(seed + "after") })
	fmt.Println("ran")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

//go:noinline
func onStack(b []byte) byte {
	var deep [2048]byte
	copy(deep[100:], b)
	return deep[100+int(b[0])%32]
}

// TestAfter: what a careless computation leaves is found, and with After it is gone soon.
func TestAfter(t *testing.T) {
	remainstest.SkipRaced(t)
	// The collector of the process runs only when it is asked to.
	p := remainstest.Start(t, "WIPE_SEED="+t.Name(), "GOGC=off")
	p.Line()
	look := func(name string) int {
		t.Helper()
		f, err := remains.NewFinder(remains.Secret{Name: name, Value: value(t.Name() + name)})
		if err != nil {
			t.Fatal(err)
		}
		all, err := f.Memory(p.PID)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	start := time.Now()
	n := look("after")
	for ; n > 0 && time.Since(start) < patience && Works; n = look("after") {
		time.Sleep(within / 10) // the collector of another process is awaited
	}
	if open := look("open"); open == 0 {
		t.Error("nothing is found of a secret that was not wiped")
	}
	if !Works {
		t.Skipf("this build wipes nothing, and %d copies are left: make build sets GOEXPERIMENT=runtimesecret", n)
	}
	if n > 0 {
		t.Errorf("%d copies are left after %v", n, patience)
	}
}

const patience = 10 * within
