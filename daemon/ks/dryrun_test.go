package ks_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/controltest"
)

// TestDryRun: real daemons say what they would do, and do nothing; what they refuse they refuse in a dry run too.
func TestDryRun(t *testing.T) {
	w := newWorld(t)
	w.startKS()
	w.pair()
	ks, gm := controltest.New(t, w.path("ks.sock")), controltest.New(t, w.path("gm1.sock"))
	asked := map[string]bool{}
	for _, row := range []struct {
		socket     *controltest.Socket
		path, body string
		status     int
		want       string
	}{
		{ks, "rekey", `{"group":"blue","kek":true}`, 200, "a new TEK, a new KEK for 2 members"},
		{ks, "rekey", `{"group":"red"}`, 400, `no group \"red\" here`},
		{ks, "clear-member", `{"group":"blue","member":"127.0.1.1"}`, 200, "would be taken off the list"},
		{ks, "clear-member", `{"group":"blue","member":"nobody"}`, 400, "has no member"},
		{ks, "clear-members", `{"group":"blue"}`, 200, "all 2 members would register again"},
		{ks, "remove-member", `{"group":"blue","members":["127.0.1.1"]}`, 200, "1 others would get a new KEK"},
		{ks, "readmit", `{"group":"blue","member":"127.0.1.1"}`, 400, "has not removed"},
		{ks, "handover", `{"group":"blue"}`, 400, "is alone"},
		{ks, "rotate", `{"group":"blue"}`, 200, `"unforeseen":"the key custody must have the key`},
		{ks, "rotate", `{"group":"red"}`, 400, "no group"},
		{ks, "apply", `{}`, 200, "planned: nothing changes"},
		{ks, "apply", `{"group":"red"}`, 400, "no group"},
		{ks, "stop", ``, 200, "all sessions would end"},
		{ks, "reregister", `{"group":"blue"}`, 404, "not for this kind"},
		{gm, "reregister", `{"group":"blue"}`, 200, "would register again, and keep its keys"},
		{gm, "reregister", `{"group":"red"}`, 400, "no group"},
		{gm, "stop", ``, 200, "the guard goes with this stop"},
	} {
		asked[row.path] = true
		status, text := row.socket.Ask(http.MethodPost, "/v1/"+row.path+"?dry_run=true", row.body)
		if status != row.status || !strings.Contains(string(text), row.want) || status == 200 && !strings.Contains(string(text), `"dry_run":true`) {
			t.Errorf("%s %s: %d %s", row.path, row.body, status, text)
		}
	}
	for _, r := range control.Routes() {
		if r.Change && !asked[r.Name()] {
			t.Errorf("%s is not tried", r.Name())
		}
	}
	w.edit("rekey: {", "rekey: {transport: multicast, multicast: {address: 239.1.2.3, interface: nowhere0}, ") // apply is refused
	c := w.ksClient()
	if r, err := c.DryRun().Apply(t.Context(), control.PlanRequest{}); err != nil || !r.Plan.Changes() || !strings.HasSuffix(r.Unforeseen, "made there first; whether multicast can leave by the interfaces that the file names is not looked at") {
		t.Errorf("multicast: %+v %v", r, err)
	}
	events, err := c.Events(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		switch e.Name {
		case "gm-cleared", "gm-removed", "gm-readmitted", "sign-key-rotated", "policy-applied", "policy-planned", "config-refused":
			t.Errorf("a dry run did something: %s %s", e.Name, e.Text)
		}
	}
	s, err := c.Snapshot(t.Context())
	if err != nil || len(s.KS.Groups[0].Members) != 2 || s.KS.Groups[0].KEK.SignatureKey == "" {
		t.Errorf("after the dry runs: %+v %v", s, err)
	}
}

// TestIdempotency: a rekey that is asked for twice with one key is one rekey.
func TestIdempotency(t *testing.T) {
	w := newWorld(t)
	w.startKS()
	await(t, w.ksClient(), "keys", func(x control.Watch) bool { return x.Snapshot != nil && len(x.Snapshot.KS.Groups[0].TEKs) > 0 })
	s := controltest.New(t, w.path("ks.sock"))
	ask := func(key string) string {
		status, text := s.Ask(http.MethodPost, "/v1/rekey", `{"group":"blue"}`, control.IdempotencyKey, key)
		var r control.Reply
		if err := json.Unmarshal(text, &r); err != nil || status != 200 {
			t.Fatalf("%d %s %v", status, text, err)
		}
		return r.Text
	}
	first := ask("one")
	if again, other := ask("one"), ask("two"); again != first || other == first || !strings.Contains(first, "new TEK") {
		t.Errorf("%q, again %q, and another one %q", first, again, other)
	}
}
