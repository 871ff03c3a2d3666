package live

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// TestRevocationAgain: a certificate that is revoked counts when the key server reloads, and not yet before that when time was turned
// back; played again, the run is the same.
func TestRevocationAgain(t *testing.T) {
	_, l := serve(t, "pki")
	travel(t, 10*time.Second)
	if err := errors.Join(l.Revoke("gm2"), l.Reload("ks1")); err != nil {
		t.Fatal(err)
	}
	members := func() int { return len(look(t, l, "ks1").KS.Groups[0].Members) }
	at20 := travel(t, 20*time.Second)
	if n := members(); n != 3 {
		t.Errorf("%d members after the revocation", n)
	}
	travel(t, 5*time.Second)
	if n := members(); n != 4 {
		t.Errorf("%d members before it", n)
	}
	if err := l.Revoke("nobody"); err == nil {
		t.Error("a certificate that there is not is revoked")
	}
	if again := travel(t, 20*time.Second); again.Hash != at20.Hash || again.Events != at20.Events {
		t.Errorf("played again, the run is another one: %+v, %+v", again, at20)
	}
}

// TestForkOfCertificates: a fork has the certificates, for nobody else to read, and the revocation lists of the beginning.
func TestForkOfCertificates(t *testing.T) {
	s, l := serve(t, "pki")
	travel(t, 10*time.Second)
	if err := errors.Join(l.Revoke("gm2"), l.Reload("ks1")); err != nil {
		t.Fatal(err)
	}
	travel(t, 20*time.Second)
	dir := filepath.Join(t.TempDir(), "fork")
	fork := &Plan{Seed: s.plan.Seed, Epoch: s.plan.Epoch, Orders: slices.Clone(s.plan.Orders)}
	if err := errors.Join(inherit(s.plan.scenario, s.dir, dir), fork.Stage(s.plan.scenario, dir)); err != nil {
		t.Fatal(err)
	}
	other := NewRun(fork, nil)
	if advance(t, other, 9*time.Second); other.Sim().Check.Registered() != 4 {
		t.Errorf("%d members before the revocation", other.Sim().Check.Registered())
	}
	advance(t, other, 20*time.Second)
	if a, b := other.Sim().Done(), s.run.Sim().Done(); a != b { // the hash is of journals too, which name files
		t.Errorf("the fork has had %d events, and the lab %d", a, b)
	}
}

// TestTokensAgain: a key server whose token is pulled out hands over, heal puts it back, and played again the run is the same.
func TestTokensAgain(t *testing.T) {
	_, l := serve(t, "hsm")
	travel(t, 10*time.Second)
	if err := errors.Join(l.LoseToken("ks1"), l.LoseToken("gm1")); err != nil {
		t.Fatal(err)
	}
	if err := l.LoseToken("gm3"); err == nil {
		t.Error("a token that there is not is lost")
	}
	at20 := travel(t, 20*time.Second)
	if g := look(t, l, "ks1").KS.Groups[0]; g.Role == control.RolePrimary || g.Coop.Ready {
		t.Errorf("ks1 is %s without its token, ready: %t", g.Role, g.Coop.Ready)
	}
	if st, err := l.State(); err != nil || len(st.Faults) != 2 {
		t.Errorf("%+v %v", st.Faults, err)
	}
	if err := l.Heal(); err != nil {
		t.Fatal(err)
	}
	at30 := travel(t, 30*time.Second)
	if c := look(t, l, "ks1").Custody; len(c.Degraded) > 0 {
		t.Errorf("%v", c.Degraded)
	}
	travel(t, 15*time.Second)
	if again := travel(t, 19*time.Second); again.Ahead != 1 {
		t.Errorf("%d orders ahead", again.Ahead)
	}
	if again := travel(t, 30*time.Second); again.Hash != at30.Hash || again.Events != at30.Events || at20.Events > again.Events {
		t.Errorf("played again, the run is another one: %+v, %+v", again, at30)
	}
}
