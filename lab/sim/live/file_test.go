package live

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/driver"
)

// TestFiles: a file that changes is read at a start or reload, as the daemons do it, and played again the run is the same.
func TestFiles(t *testing.T) {
	_, l := serve(t, "policy-change")
	travel(t, 10*time.Second)
	first, err := os.ReadFile(driver.ConfigFile(driver.Dir("test"), "ks1"))
	if err != nil {
		t.Fatal(err)
	}
	ks, ask := l.Control("ks1"), control.PlanRequest{Group: "blue"}
	if p, err := ks.Plan(t.Context(), ask); err != nil || p.Plan.Changes() {
		t.Errorf("a file that has not changed: %+v %v", p, err)
	}
	if err := l.Configure("ks1", "", map[string]string{"suite": "aes-128-gcm"}); err != nil {
		t.Fatal(err)
	}
	if p, err := ks.Plan(t.Context(), ask); err != nil || !p.Plan.Changes() {
		t.Errorf("a file that has changed: %+v %v", p, err)
	}
	if p, err := ks.DryRun().Apply(t.Context(), ask); err != nil || p.Plan.Applied {
		t.Errorf("a dry run: %+v %v", p, err)
	}
	if p, err := ks.Apply(t.Context(), ask); err != nil || !p.Plan.Applied {
		t.Fatalf("%+v %v", p, err)
	}
	at29 := travel(t, 29*time.Second)
	travel(t, 30*time.Second)
	suite := func() string { return look(t, l, "gm1").GM.Groups[0].TEKs[0].Suite }
	newest := func() string {
		all := look(t, l, "gm1").GM.Groups[0].TEKs
		return all[len(all)-1].Suite
	}
	if newest() != "aes-128-gcm" {
		t.Errorf("gm1 has %s", newest())
	}
	// A file that is not valid changes nothing, and keeps a daemon from starting.
	if err := errors.Join(l.Configure("ks1", "", map[string]string{"suite": "aes-999"}), l.Reload("ks1")); err != nil {
		t.Fatal(err)
	}
	if _, err := ks.Apply(t.Context(), ask); err == nil || !strings.Contains(err.Error(), "aes-999") || !strings.Contains(err.Error(), "stays in force") {
		t.Errorf("a file that is not valid: %v", err)
	}
	if err := l.Kill("ks1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context(), "ks1"); err == nil || !strings.Contains(err.Error(), "aes-999") {
		t.Errorf("it starts with a file that is not valid: %v", err)
	}
	if err := errors.Join(l.Configure("ks1", "", map[string]string{"suite": "aes-192-gcm"}), l.Start(t.Context(), "ks1")); err != nil {
		t.Fatal(err)
	}
	at60 := travel(t, 60*time.Second)
	if newest() != "aes-192-gcm" {
		t.Errorf("after its new start gm1 has %s", newest())
	}
	// Back: the files are those of then, and what follows is the same.
	travel(t, 5*time.Second)
	if again, err := os.ReadFile(driver.ConfigFile(driver.Dir("test"), "ks1")); err != nil || string(again) != string(first) || suite() != "aes-256-gcm" {
		t.Errorf("before the change it has %s, %v", suite(), err)
	}
	for _, was := range []*TimeStatus{at29, at60} {
		if again := travel(t, was.Now); again.Hash != was.Hash || again.Events != was.Events {
			t.Errorf("played again, the run is another one: %+v, %+v", again, was)
		}
	}
}
