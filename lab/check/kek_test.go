package check

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

// turning is a lab whose daemons say something else once one of them was killed.
type turning struct {
	Lab
	now, then Lab
	refuses   []string
	asked     []string
}

func (l *turning) Control(node string) *client.Client { return l.now.Control(node) }

func (l *turning) Kill(string) error {
	l.now = l.then
	return nil
}

// Operate refuses as often as a test says.
func (l *turning) Operate(_ context.Context, node string, args []string) (string, error) {
	l.asked = append(l.asked, node+" "+strings.Join(args, " "))
	if len(l.refuses) >= len(l.asked) {
		return "", errors.New(l.refuses[len(l.asked)-1])
	}
	return "", l.Kill(node)
}

// withKEK is a member that has accepted rekeys up to a number, the last of them from ks3, or none.
func withKEK(spi string, seq uint32, rekeys, registrations uint64) *control.Snapshot {
	g := control.GMGroup{Name: "blue", RekeysReceived: rekeys, Registrations: registrations, RekeyedBy: "172.16.103.1:848"}
	if spi != "" {
		g.KEK = &control.KEK{SPI: spi, Seq: seq}
	}
	return &control.Snapshot{GM: &control.GroupMember{Groups: []control.GMGroup{g}}}
}

func TestKEK(t *testing.T) {
	s, err := topologies.Load("coop-election", scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, is, by string
		after        *control.Snapshot
		ok           bool
		says         string
	}{
		{"goes on", kekKept, "ks3", withKEK("aaaaaaaaaa", 8, 6, 1), true, "2 members accepted it, KEK aaaaaaaa goes on from 7 to 8, "},
		{"is new", kekNew, "", withKEK("bb", 1, 6, 1), true, "KEK bb at 1"},
		{"nothing came", kekKept, "", withKEK("aaaaaaaaaa", 7, 5, 1), false, "gm1: no rekey since"},
		{"is another", kekKept, "", withKEK("bb", 8, 6, 1), false, "gm1: its KEK was aaaaaaaa and is bb"},
		{"is the same", kekNew, "", withKEK("aaaaaaaaaa", 8, 6, 1), false, "is aaaaaaaa"},
		{"goes back", kekKept, "", withKEK("aaaaaaaaaa", 7, 6, 1), false, "was at 7 and is at 7"},
		{"registered again", kekKept, "", withKEK("aaaaaaaaaa", 8, 6, 2), false, "gm1: registered again"},
		{"of another key server", kekKept, "ks1", withKEK("aaaaaaaaaa", 8, 6, 1), false, "came from 172.16.103.1:848"},
		{"gone", kekKept, "", withKEK("", 0, 6, 1), false, "no KEK"},
	} {
		before := withKEK("aaaaaaaaaa", 7, 5, 1)
		now := says(t, map[string]*control.Snapshot{"gm1": before, "gm2": before})
		then := says(t, map[string]*control.Snapshot{"gm1": c.after, "gm2": c.after})
		env := &Env{Lab: &turning{now: now.Lab, then: then.Lab}, Scenario: s, Log: t.Logf}
		check := kek{Group: "blue", Is: c.is, By: c.by, Do: actions{"kill ks1"}, Members: []string{"gm1", "gm2"}}
		if err := check.Validate(s); err != nil {
			t.Fatal(err)
		}
		r := check.Run(context.Background(), env)
		if len(r) != 1 || r[0].OK != c.ok || !strings.Contains(r[0].Value, c.says) {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	before, after := withKEK("aa", 7, 5, 1), withKEK("bb", 0, 6, 1)
	for _, c := range []struct {
		refuses []string
		ok      bool
		says    string
	}{
		{nil, true, "KEK bb at 0, "},
		{[]string{"blue has 4 TEKs alive; the oldest ends in 6s, try again then"}, true, "KEK bb at 0, "},
		{[]string{"the token is full"}, false, "not measured"},
	} {
		l := &turning{now: says(t, map[string]*control.Snapshot{"gm1": before}).Lab, then: says(t, map[string]*control.Snapshot{"gm1": after}).Lab, refuses: c.refuses}
		check := kek{Group: "blue", Is: kekNew, Rekey: "ks3", Members: []string{"gm1"}, Within: time.Minute}
		if err := check.Validate(s); err != nil || check.By != "ks3" {
			t.Fatalf("by %q, %v", check.By, err)
		}
		r := check.Run(context.Background(), &Env{Lab: l, Scenario: s, Log: t.Logf})
		if len(r) != 1 || r[0].OK != c.ok || !strings.Contains(r[0].Value, c.says) || l.asked[len(l.asked)-1] != "ks3 rekey blue --kek" {
			t.Errorf("refused %q: %+v, asked %q", c.refuses, r, l.asked)
		}
	}
	// Whoever is primary is asked; nobody may be.
	for role, want := range map[string]string{control.RolePrimary: "ks2 rekey blue --kek", control.RoleSecondary: ""} {
		now := says(t, map[string]*control.Snapshot{"gm1": before, "ks1": aKS(control.RoleSecondary, 2, true), "ks2": aKS(role, 2, true)})
		l := &turning{now: now.Lab, then: says(t, map[string]*control.Snapshot{"gm1": after}).Lab}
		check := kek{Group: "blue", Is: kekNew, Rekey: "primary", Members: []string{"gm1"}}
		if err := check.Validate(s); err != nil || check.By != "" {
			t.Fatalf("by %q, %v", check.By, err)
		}
		r := check.Run(context.Background(), &Env{Lab: l, Scenario: s, Log: t.Logf})
		if len(r) != 1 || r[0].OK != (want != "") || strings.Join(l.asked, ",") != want {
			t.Errorf("ks2 is %s: %+v, asked %q", role, r, l.asked)
		}
	}
	for _, c := range []struct {
		check kek
		want  string
	}{
		{kek{Is: kekNew}, "group:"}, {kek{Group: "blue"}, "write kept or new"}, {kek{Group: "blue", Is: kekNew, By: "ks9"}, "by: there is no node"},
		{kek{Group: "blue", Is: kekNew, Rekey: "h1"}, "rekey: there is no node"},
		{kek{Group: "blue", Is: kekNew, Members: []string{"h1"}}, "h1"}, {kek{Group: "blue", Is: kekNew, Do: actions{"explode"}}, "there are:"},
	} {
		if err := c.check.Validate(s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.check, err, c.want)
		}
	}
}
