package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// command runs one at the key server and returns its answer.
func (w *world) command(ev machine.Event) gdoi.CommandResult {
	w.t.Helper()
	from := len(w.effects[ksAddr])
	w.step(ksAddr, ev)
	for _, e := range w.effects[ksAddr][from:] {
		if r, ok := e.(gdoi.CommandResult); ok {
			return r
		}
	}
	w.t.Fatal("the command is not answered")
	return gdoi.CommandResult{}
}

func names(s KSSnapshot) (out []string) {
	for _, g := range s.Groups {
		out = append(out, g.Name)
	}
	return out
}

// TestReconfigure: groups change, come and go while the others live, and members follow.
func TestReconfigure(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, blue(t), red(t))
	m := w.member(gm1, rightPSK, joins("blue", "red", "green")...)
	w.run(time.Minute)
	before := ks.Snapshot(w.now)

	t.Log("nothing")
	if r := w.command(Reconfigure{Groups: []keyserver.Config{blue(t), red(t)}}); r.Err != "" || r.Text != "nothing changes" {
		t.Fatalf("%+v", r)
	}
	t.Log("blue changes, green is added, red stays")
	b := blue(t)
	b.Policy = append(slices.Clone(b.Policy), accessList(t, "permit ip 172.16.0.0/16 172.16.0.0/16")...)
	plans, err := ks.Plan(w.now, Reconfigure{Groups: []keyserver.Config{green(t), blue(t), red(t)}})
	if err != nil || len(plans) != 3 || plans[0].Action != keyserver.Added || plans[1].Action != keyserver.Unchanged {
		t.Fatalf("%+v %v", plans, err)
	}
	if r := w.command(Reconfigure{Groups: []keyserver.Config{green(t), b, red(t)}}); r.Err != "" {
		t.Fatalf("%+v", r)
	}
	w.drain()
	s := ks.Snapshot(w.now)
	if !slices.Equal(names(s), []string{"green", "blue", "red"}) {
		t.Errorf("groups %v", names(s))
	}
	if !slices.Equal(spis(s.Groups[2].TEKs), spis(before.Groups[1].TEKs)) {
		t.Error("the group that stays has other keys")
	}
	if s.Groups[1].Policy.Digest() != b.Policy.Digest() {
		t.Error("the policy is the old one")
	}
	w.wantNotes(ksAddr, gdoi.NotePolicyApplied, 2)
	w.run(10 * time.Minute)
	for i, g := range m.Snapshot(w.now).Groups {
		if len(g.TEKs) == 0 {
			t.Errorf("group %d: the member has no keys", i)
		}
	}
	if g := m.Snapshot(w.now).Groups[0]; g.Policy[g.LocalRules:].Digest() != b.Policy.Digest() {
		t.Errorf("the member of blue has %v", g.Policy)
	}

	t.Log("red is removed, alone")
	if r := w.command(Reconfigure{Groups: []keyserver.Config{blue(t)}, Only: "red"}); r.Err != "" {
		t.Fatalf("%+v", r)
	}
	w.run(time.Minute)
	if s := ks.Snapshot(w.now); !slices.Equal(names(s), []string{"blue", "green"}) || s.Groups[0].Policy.Digest() != b.Policy.Digest() {
		t.Errorf("groups %v", names(s))
	}
	if g := m.Snapshot(w.now).Groups[1]; len(g.TEKs) != 0 {
		t.Errorf("the member still has keys of red: %v", g.TEKs)
	}
	for key, r := range w.disk {
		if r.Bucket == keyserver.Bucket("red") {
			t.Errorf("record %s of red is left", key)
		}
	}
	if len(ks.leaving) != 0 {
		t.Error("red is not forgotten")
	}

	t.Log("and comes back")
	if r := w.command(Reconfigure{Groups: []keyserver.Config{red(t)}, Only: "red"}); r.Err != "" {
		t.Fatalf("%+v", r)
	}
	w.run(10 * time.Minute)
	if g := m.Snapshot(w.now).Groups[1]; len(g.TEKs) == 0 {
		t.Error("the member did not come back to red")
	}
}

// TestReconfigureRefuses: after a refusal everything is as it was, though another group could have changed.
func TestReconfigureRefuses(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(b, r *keyserver.Config) []keyserver.Config
		only string
		says string
	}{
		{"nonsense", func(b, r *keyserver.Config) []keyserver.Config {
			r.Policy = nil
			return []keyserver.Config{*b, *r}
		}, "", "empty"},
		{"another id", func(b, r *keyserver.Config) []keyserver.Config {
			r.ID = "other"
			return []keyserver.Config{*b, *r}
		}, "", "another group"},
		{"another width", func(b, r *keyserver.Config) []keyserver.Config {
			r.SIDBits = 16
			return []keyserver.Config{*b, *r}
		}, "", "restart"},
		{"twice the same", func(b, r *keyserver.Config) []keyserver.Config { return []keyserver.Config{*b, *b} }, "", "two groups have the name"},
		{"unknown", func(b, r *keyserver.Config) []keyserver.Config { return []keyserver.Config{*b, *r} }, "pink", `no group "pink"`},
		{"the id of one that stays", func(b, r *keyserver.Config) []keyserver.Config {
			r.Name, r.ID = "crimson", b.ID
			b.Name = "navy"
			return []keyserver.Config{*r}
		}, "crimson", "has the id 1234"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			ks := w.keyServer(Limits{}, blue(t), red(t))
			w.run(time.Minute)
			before := ks.Snapshot(w.now)
			b, r := blue(t), red(t)
			b.TEK = suite.ESPAES128GCM16
			got := w.command(Reconfigure{Groups: row.edit(&b, &r), Only: row.only})
			if !strings.Contains(got.Err, row.says) {
				t.Errorf("%+v, want %q", got, row.says)
			}
			after := ks.Snapshot(w.now)
			if !slices.Equal(names(after), names(before)) || !slices.Equal(spis(after.Groups[0].TEKs), spis(before.Groups[0].TEKs)) {
				t.Errorf("something has changed: %+v", after)
			}
			w.wantNotes(ksAddr, gdoi.NotePolicyApplied, 0)
		})
	}
}

// TestOrphans: what is stored of a group that was not configured for a while is not taken up by its successor.
func TestOrphans(t *testing.T) {
	w := newWorld(t)
	w.keyServer(Limits{}, blue(t), red(t))
	w.run(time.Minute)
	w.keyServer(Limits{}, blue(t))
	w.run(time.Minute)
	old := map[string]bool{}
	for key, r := range w.disk {
		if r.Bucket == keyserver.Bucket("red") && key != keyserver.Bucket("red")+"/counters" {
			old[key] = true
		}
	}
	if len(old) == 0 {
		t.Fatal("red has left no records")
	}
	if r := w.command(Reconfigure{Groups: []keyserver.Config{blue(t), red(t)}}); r.Err != "" {
		t.Fatalf("%+v", r)
	}
	w.run(time.Second)
	for key := range old {
		if strings.Contains(key, "ek/") && w.disk[key].Value != nil {
			t.Errorf("record %s is still there", key)
		}
	}
}
