package hsmtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/getvpn/getvpn/hsm"
)

// Suite is what every backend must pass.
type Suite struct {
	// Open opens the custody; it is called again after Close, as a daemon is started again.
	Open func(t *testing.T) hsm.Token
	// Second opens another custody of the same kind, that keys are moved to; nil leaves that out.
	Second func(t *testing.T) hsm.Token
}

// one is a run of a test of the suite.
type one struct {
	*testing.T
	h      hsm.Token
	suite  Suite
	prefix string
}

// name is a key's name that no other run has, since tokens outlive tests.
func (o *one) name(s string) string { return o.prefix + s }

// key makes a key that is removed when the test ends.
func (o *one) key(s string, spec hsm.Spec) string {
	o.Helper()
	n := o.name(s)
	if err := o.h.Ensure(o.Context(), n, spec); err != nil {
		o.Fatalf("%s: %v", spec, err)
	}
	o.discard(n)
	return n
}

// discard removes a key when the test ends.
func (o *one) discard(n string) {
	o.Cleanup(func() {
		h := o.suite.Open(o.T)
		defer h.Close()
		if err := h.Destroy(o.after(), n); err != nil && !errors.Is(err, hsm.ErrNoKey) {
			o.Logf("removing %s: %v", n, err)
		}
	})
}

// Run runs the suite.
func (s Suite) Run(t *testing.T) {
	var r [6]byte
	_, _ = rand.Read(r[:])
	for _, row := range []struct {
		name string
		test func(*one)
	}{
		{"signatures", signatures},
		{"keys that are there", existing},
		{"refusals", refusals},
		{"names", names},
		{"AES-CBC", encryption},
		{"seal and open", sealing},
		{"envelope", envelope},
		{"wrap and unwrap", wrapping},
		{"what does not move", unmovable},
		{"self-test", selftests},
		{"random", random},
		{"inventory", inventory},
		{"contexts", contexts},
		{"many at once", concurrent},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := &one{T: t, suite: s, prefix: "hsmtest-" + hex.EncodeToString(r[:]) + "-"}
			o.h = s.Open(t)
			t.Cleanup(func() { _ = o.h.Close() })
			row.test(o)
		})
	}
}

// after is the context of what is done when the test has ended.
func (o *one) after() context.Context { return context.WithoutCancel(o.Context()) }

// again closes the custody and opens it anew.
func (o *one) again() {
	o.Helper()
	if err := o.h.Close(); err != nil {
		o.Error(err)
	}
	o.h = o.suite.Open(o.T)
}

func (o *one) wants(err, want error, what string) {
	o.Helper()
	if !errors.Is(err, want) {
		o.Errorf("%s: %v, want %v", what, err, want)
	}
}
