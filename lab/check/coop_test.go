package check

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

// saying is a lab whose daemons say what a test wants.
type saying struct {
	Lab // nothing else is asked of it
	dir string
}

func (l saying) Control(node string) *client.Client { return client.New(filepath.Join(l.dir, node)) }

// says makes a lab of these daemons.
func says(t *testing.T, all map[string]*control.Snapshot) *Env {
	t.Helper()
	l := saying{dir: t.TempDir()}
	for node, snap := range all {
		listener, err := net.Listen("unix", filepath.Join(l.dir, node))
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(snap)
		})}
		go func() { _ = s.Serve(listener) }()
		t.Cleanup(func() { _ = s.Close() })
	}
	return &Env{Lab: l, Log: t.Logf}
}

// fading is a lab whose daemons say something else from the second time on.
type fading struct {
	Lab
	asked int
}

func (l *fading) Control(node string) *client.Client {
	if l.asked++; l.asked > 1 {
		node += "-later"
	}
	return l.Lab.Control(node)
}

func aKS(role string, follows int, ready bool, teks ...string) *control.Snapshot {
	c := &control.Coop{Role: role, Primary: follows, Ready: ready, Why: "policy"}
	return &control.Snapshot{KS: &control.KeyServer{Groups: []control.KSGroup{{Name: "blue", Role: role, Coop: c, TEKs: keysOf(teks)}}}}
}

func aGM(teks ...string) *control.Snapshot {
	return &control.Snapshot{GM: &control.GroupMember{Groups: []control.GMGroup{{Name: "blue", TEKs: keysOf(teks)}}}}
}

// keysOf are keys, of which the one with a star is sent with.
func keysOf(spis []string) (out []control.TEK) {
	for _, s := range spis {
		spi, sending := strings.CutSuffix(s, "*")
		t := control.TEK{SPI: spi, Phase: control.PhaseDraining}
		if sending {
			t.Phase = control.PhaseSending
		}
		out = append(out, t)
	}
	return out
}

func TestPrimary(t *testing.T) {
	p, s := control.RolePrimary, control.RoleSecondary
	for _, c := range []struct {
		name string
		all  map[string]*control.Snapshot
		is   string
		ok   bool
		says string
	}{
		{"agreed", map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "ks2": aKS(s, 1, true)}, "ks1", true, "ks1 is primary for ks1, ks2"},
		{"another", map[string]*control.Snapshot{"ks1": aKS(s, 2, true), "ks2": aKS(p, 2, true)}, "ks1", false, "ks2 is primary, term 0, follows 2"},
		{"two", map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "ks2": aKS(p, 2, true)}, "", false, "ks1 is primary"},
		{"nobody yet", map[string]*control.Snapshot{"ks1": aKS(s, 0, true), "ks2": aKS(s, 0, true)}, "", false, "follows 0"},
		{"not ready", map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "ks2": aKS(s, 1, false)}, "", false, "not ready: policy"},
		{"alone", map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "ks2": {KS: &control.KeyServer{Groups: []control.KSGroup{{Name: "blue"}}}}}, "", false,
			"ks2 has no cooperation"},
		{"no such group", map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "ks2": {KS: &control.KeyServer{}}}, "", false, "ks2 has no group blue"},
		{"no answer", map[string]*control.Snapshot{"ks1": aKS(p, 1, true)}, "", false, scenario.NotMeasured},
	} {
		check := primary{Group: "blue", Is: c.is, At: []string{"ks1", "ks2"}, Ready: true, For: time.Millisecond}
		r := check.Run(context.Background(), says(t, c.all))
		if len(r) != 1 || r[0].OK != c.ok || !strings.Contains(r[0].Value, c.says) {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}

func TestKeys(t *testing.T) {
	p := control.RolePrimary
	for _, c := range []struct {
		name, are string
		all       map[string]*control.Snapshot
		ok        bool
		says      string
	}{
		{"one epoch", keysOneEpoch, map[string]*control.Snapshot{"ks1": aKS(p, 1, true, "1", "2*"), "gm1": aGM("1", "2*"), "gm2": aGM("2*", "1")}, true, "one epoch"},
		{"another at the key server", keysOneEpoch, map[string]*control.Snapshot{"ks1": aKS(p, 1, true, "3"), "gm1": aGM("1", "2*"), "gm2": aGM("1", "2*")}, false,
			"not all have the same keys"},
		{"another to send with", keysOneEpoch, map[string]*control.Snapshot{"ks1": aKS(p, 1, true, "1", "2"), "gm1": aGM("1", "2*"), "gm2": aGM("1*", "2")}, false,
			"send with different keys"},
		{"readable", keysReadable, map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "gm1": aGM("1", "2*"), "gm2": aGM("1*", "2")}, true, "can read each other"},
		{"not readable", keysReadable, map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "gm1": aGM("2*"), "gm2": aGM("1*", "2")}, false, "gm2 sends with 1, and gm1 has 2"},
		{"nothing to send with", keysReadable, map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "gm1": aGM("2*"), "gm2": aGM("2")}, false, "no key to send with"},
		{"apart", keysApart, map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "gm1": aGM("2*"), "gm2": aGM("1*", "2")}, true, "gm2 sends with 1, and gm1 has 2"},
		{"not apart", keysApart, map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "gm1": aGM("1", "2*"), "gm2": aGM("1*", "2")}, false, "can read each other"},
		{"not even a key", keysApart, map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "gm1": aGM("2"), "gm2": aGM("2*")}, false, "no key to send with"},
		{"not rolled", keysRolled, map[string]*control.Snapshot{"ks1": aKS(p, 1, true), "gm1": aGM("2*"), "gm2": aGM("2*")}, false, "changed keys 0 times"},
	} {
		check := keys{Group: "blue", Are: c.are, Members: []string{"gm1", "gm2"}, KeyServers: []string{"ks1"}, Times: 1}
		r := check.Run(context.Background(), says(t, c.all))
		if len(r) != 1 || r[0].OK != c.ok || !strings.Contains(r[0].Value, c.says) {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	// A member whose keys end while it looks has not changed keys.
	rolled := keys{Group: "blue", Are: keysRolled, Members: []string{"gm1"}, Times: 1, Within: 200 * time.Millisecond}
	env := says(t, map[string]*control.Snapshot{"gm1": aGM("1*"), "gm1-later": aGM()})
	env.Lab = &fading{Lab: env.Lab}
	if r := rolled.Run(context.Background(), env); r[0].OK {
		t.Errorf("rolled without a key: %+v", r)
	}
	merging := aKS(p, 1, true, "1*")
	merging.KS.Groups[0].Coop.Merging = true
	check := keys{Group: "blue", Are: keysOneEpoch, Members: []string{"gm1"}, KeyServers: []string{"ks1"}}
	if r := check.Run(context.Background(), says(t, map[string]*control.Snapshot{"ks1": merging, "gm1": aGM("1*")})); r[0].OK {
		t.Errorf("one epoch while key servers merge: %+v", r)
	}
}

func TestCoopChecksAreChecked(t *testing.T) {
	s, err := topologies.Load("coop-election", scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		check Check
		want  string
	}{
		{&primary{Group: "blue"}, ""}, {&primary{}, "group:"}, {&primary{Group: "blue", Is: "h1"}, "with a daemon"}, {&primary{Group: "blue", At: []string{"ks9"}}, "ks9"},
		{&keys{Group: "blue", Are: keysRolled}, ""}, {&keys{Are: keysRolled}, "group:"}, {&keys{Group: "blue", Are: "good"}, "write rolled"},
		{&keys{Group: "blue", Are: keysRolled, Members: []string{"gm0"}}, "gm0"},
	} {
		if err := c.check.Validate(s); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.check, err, c.want)
		}
	}
	all := &keys{Group: "blue", Are: keysRolled}
	if err := all.Validate(s); err != nil || len(all.Members) != 8 || len(all.KeyServers) != 3 {
		t.Errorf("members %v, key servers %v, %v", all.Members, all.KeyServers, err)
	}
}
