package ks_test

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/esp/wire/wiretest"
)

// edit changes the key server's configuration file.
func (w *world) edit(pairs ...string) {
	w.t.Helper()
	w.editFile("ks.yml", pairs...)
}

func (w *world) editFile(name string, pairs ...string) {
	w.t.Helper()
	text, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	if now := strings.NewReplacer(pairs...).Replace(string(text)); now == string(text) {
		w.t.Fatalf("%q is not in the file", pairs)
	} else {
		w.write(name, now)
	}
}

// digests is the access list that each node has, by group.
func digest(s *control.Snapshot) string {
	if s.KS != nil {
		return s.KS.Groups[0].PolicyDigest
	}
	return s.GM.Groups[0].PolicyDigest
}

// TestApply: a rule, an exception, a suite and a lifetime change, and back, while packets flow; none is lost, and in the
// end all nodes have the same access list.
func TestApply(t *testing.T) {
	w := newWorld(t)
	w.startKS()
	a, b := w.pair()
	c := w.ksClient()
	stop := stream(t, a, b)
	for _, row := range []struct {
		name   string
		edit   []string
		rekeys bool
		says   string
	}{
		{"a rule", []string{`"permit ip 10.0.0.0/8 10.0.0.0/8"`, `"permit ip 10.0.0.0/8 10.0.0.0/8", "permit ip 172.16.0.0/16 172.16.0.0/16"`}, true, "its access list changes: new TEK now"},
		{"an exception", []string{`"deny icmp any any", `, ``}, false, "no new keys"},
		{"a suite", []string{"aes-256-gcm", "aes-128-gcm"}, true, "its suite changes"},
		{"a lifetime", []string{"lifetime: 32s", "lifetime: 48s"}, false, "does not rekey"},
	} {
		w.edit(row.edit...)
		p, err := c.Plan(t.Context(), control.PlanRequest{})
		if err != nil {
			t.Fatal(row.name, err)
		}
		if q, err := c.Plan(t.Context(), control.PlanRequest{Quiet: true}); err != nil || q.Plan.Groups[0].Action != control.PlanChange { // and is not counted below
			t.Errorf("%s: asked quietly: %v, %v", row.name, q.Plan, err)
		}
		if g := p.Plan.Groups[0]; g.Action != control.PlanChange || g.Rekeys != row.rekeys || !strings.Contains(strings.Join(g.Consequences, "\n"), row.says) {
			t.Errorf("%s: %+v", row.name, g)
		}
		before, err := c.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if digest(before) != p.Plan.Groups[0].Was {
			t.Errorf("%s: planning has changed the policy", row.name)
		}
		r, err := c.Apply(t.Context(), control.PlanRequest{})
		if err != nil || !r.Plan.Applied {
			t.Fatal(row.name, err)
		}
		for _, m := range []*gateway{a, b} {
			await(t, m.client, row.name+" at "+m.name, func(x control.Watch) bool {
				return x.Snapshot != nil && digest(x.Snapshot) == p.Plan.Groups[0].Is
			})
		}
		time.Sleep(time.Second) // 10 s of the daemons': the change comes into force, packets flow
	}
	sent, lost := stop()
	t.Logf("%d packets", sent)
	if sent < 100 || lost != 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
	events, err := c.Events(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, e := range events {
		n[e.Name]++
	}
	if n["policy-planned"] != 4 || n["policy-applied"] != 4 {
		t.Errorf("%d planned, %d applied", n["policy-planned"], n["policy-applied"])
	}
}

// TestReload: SIGHUP takes up the file. One that is broken changes nothing and is named with its line; what needs a restart
// is named; groups come and go.
func TestReload(t *testing.T) {
	w := newWorld(t)
	cmd := w.startKS()
	c := w.ksClient()
	started := func(x control.Watch) bool { return x.Snapshot != nil && len(x.Snapshot.KS.Groups) == 1 }
	await(t, c, "the start", started)
	hangUp := func(event, text string) {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		await(t, c, event, func(x control.Watch) bool {
			events, err := c.Events(t.Context(), 0)
			return err == nil && slices.ContainsFunc(events, func(e control.Event) bool { return e.Name == event && strings.Contains(e.Text, text) })
		})
	}
	w.edit("suite: aes-256-gcm", "suiet: aes-256-gcm")
	hangUp("config-refused", "ks.yml:15:")
	if _, err := c.Plan(t.Context(), control.PlanRequest{}); err == nil || !strings.Contains(err.Error(), `did you mean "suite"`) {
		t.Errorf("plan of a broken file: %v", err)
	}
	w.edit("suiet: aes-256-gcm", "suite: aes-256-gcm", "lifetime: 1h", "lifetime: 2h", "id: 1234", "id: 4321")
	hangUp("config-refused", "another group")
	w.edit("id: 4321", "id: 1234")
	hangUp("needs-restart", "phase1")
	w.edit("groups:", `groups:
  - {name: red, id: 7, authorise: [{address: 127.0.1.0/24}], policy: ["deny udp any eq 848 any eq 848", "permit ip 10.7.0.0/16 10.7.0.0/16"]}`)
	hangUp("policy-applied", "the group is new")
	// A group is there, or gone, when that has been written: a moment after the event, or the answer.
	await(t, c, "two groups", func(x control.Watch) bool {
		return x.Snapshot != nil && len(x.Snapshot.KS.Groups) == 2 && x.Snapshot.KS.Groups[0].Name == "red" &&
			x.Snapshot.KS.Groups[0].ID == "7" && len(x.Snapshot.KS.Groups[0].TEKs) == 1
	})
	w.edit("{name: red", "{name: crimson")
	if _, err := c.Apply(t.Context(), control.PlanRequest{Group: "red"}); err != nil {
		t.Fatal(err)
	}
	await(t, c, "one group", func(x control.Watch) bool {
		return x.Snapshot != nil && len(x.Snapshot.KS.Groups) == 1 && x.Snapshot.KS.Groups[0].Name == "blue"
	})
	if _, err := c.Apply(t.Context(), control.PlanRequest{Group: "pink"}); err == nil || !strings.Contains(err.Error(), `no group "pink"`) {
		t.Errorf("an unknown group: %v", err)
	}
}

// TestReloadSecrets: a member whose pre-shared key comes into the file is let in without a restart, and one whose
// authorisation goes is named, keeps its keys, and cannot register again.
func TestReloadSecrets(t *testing.T) {
	w := newWorld(t)
	w.startKS()
	c := w.ksClient()
	conn, _ := wiretest.Pair(16, nil)
	a := w.startGM("gm1", "127.0.1.1", "wrong", conn)
	await(t, c, "the refusal", func(x control.Watch) bool { return x.Event != nil && x.Event.Name == "auth-failed" })
	w.edit("pre-shared-keys:", "pre-shared-keys:\n  - {peer: 127.0.1.1, secret-file: wrong}")
	if _, err := c.Apply(t.Context(), control.PlanRequest{}); err != nil {
		t.Fatal(err)
	}
	await(t, a.client, "registration with the new key", registered)
	w.edit("authorise: [{address: 127.0.1.0/24}]", "authorise: [{address: 127.0.1.128/25}]")
	r, err := c.Apply(t.Context(), control.PlanRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(r.Plan.Groups[0].Consequences, "\n"); !strings.Contains(said, "no longer authorised: 127.0.1.1") || r.Plan.Groups[0].Rekeys {
		t.Errorf("%q", said)
	}
	s, err := a.client.Snapshot(t.Context())
	if err != nil || len(s.GM.Groups[0].TEKs) == 0 {
		t.Errorf("it has lost its keys: %+v %v", s, err)
	}
	if _, err := a.client.Reregister(t.Context(), control.ReregisterRequest{Group: "blue"}); err != nil {
		t.Fatal(err)
	}
	await(t, c, "the refusal to come again", func(x control.Watch) bool {
		return x.Event != nil && x.Event.Name == "not-authorised" && strings.HasPrefix(x.Event.Peer, "127.0.1.1:") && strings.Contains(x.Event.Text, "may not join")
	})
}
