package check

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// shell is a lab whose programs run right here, and whose operators are told what a test says.
type shell struct {
	Lab
	refuses error
}

func (l *shell) Run(ctx context.Context, _ string, argv []string) (string, error) {
	return driver.Output(exec.CommandContext(ctx, argv[0], argv[1:]...), func(cmd *exec.Cmd) error { return cmd.Start() }) //nolint:gosec // of this test
}

func (l *shell) Operate(context.Context, string, []string) (string, error) { return "", l.refuses }

func (l *shell) Start(context.Context, string) error {
	return errors.New("the daemon ended right after its start")
}

// What fails has been refused by somebody, for the reason that is wanted; all else was not done, and so was not caught.
func TestCommand(t *testing.T) {
	s := parse(t, small)
	no := &driver.Exited{Program: "getvpn-tui", Status: 1, Said: "no member 172.16.9.9", Err: errors.New("exit status 1")}
	for _, c := range []struct {
		name    string
		check   command
		refuses error
		ok      bool
		value   string
	}{
		{"done", command{Do: actions{"exec h1 echo 3"}, Equals: "3"}, nil, true, "done"},
		{"more than that", command{Do: actions{"exec h1 echo 13"}, Equals: "3"}, nil, false, "done"},
		{"said by an action before", command{Do: actions{"exec h1 echo no route", "exec h1 true"}, Contains: "no route"}, nil, false, "done"},
		{"refused", command{Do: actions{"operator gm1 remove 172.16.9.9"}, Fails: true, Contains: "no member"}, no, true, "refused"},
		{"refused, but it should not be", command{Do: actions{"operator gm1 remove 172.16.9.9"}}, no, false, "refused"},
		{"in the action's own text", command{Do: actions{"operator gm1 remove 172.16.9.9"}, Fails: true, Contains: "operator gm1"}, no, false, "refused"},
		{"an action before fails", command{Do: actions{"exec h1 false", "operator gm1 remove 172.16.9.9"}, Fails: true, Contains: "no member"}, no, false, scenario.NotDone},
		{"no daemon to ask", command{Do: actions{"operator gm2 remove 172.16.9.9"}, Fails: true, Contains: "no member"}, no, false, scenario.NotDone},
		{"no such program", command{Do: actions{"exec h1 no-such-program"}}, nil, false, scenario.NotDone},
		{"no such program of a shell", command{Do: actions{`exec h1 sh -c "no-such-program"`}, Fails: true, Contains: "not found"}, nil, false, scenario.NotDone},
		{"killed", command{Do: actions{`exec h1 sh -c "kill -9 $$"`}}, nil, false, scenario.NotDone},
		{"a daemon that does not start", command{Do: actions{"start gm1"}}, nil, false, scenario.NotDone},
		{"a program says no", command{Do: actions{`exec h1 sh -c "echo 2; echo why >&2; exit 1"`}, Fails: true, Equals: "2\nwhy"}, nil, true, "refused"},
	} {
		if err := c.check.Validate(s); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		env := says(t, map[string]*control.Snapshot{"gm1": aGM("1*")})
		env.Lab, env.Scenario = &shell{env.Lab, c.refuses}, s
		r := c.check.Run(context.Background(), env)
		if len(r) != 1 || r[0].OK != c.ok || !strings.HasPrefix(r[0].Value, c.value) {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	for want, c := range map[string]command{
		"do:":                    {},
		"that somebody can":      {Do: actions{"operator gm1 rekey", "kill gm1"}, Fails: true, Contains: "x"},
		"contains: or equals:":   {Do: actions{"operator gm1 rekey"}, Fails: true},
		"there is no node \"gm9": {Do: actions{"kill gm9"}},
	} {
		if err := c.Validate(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

// A journal that cannot be read has not shown that there is no such event.
func TestEventOfNobody(t *testing.T) {
	env := says(t, nil)
	r := (&eventSeen{Node: "gm1", Event: "gm-removed", Within: time.Millisecond}).Run(context.Background(), env)
	if len(r) != 1 || r[0].OK || r[0].Value != scenario.NotMeasured || !r[0].Unmeasured() {
		t.Errorf("%+v", r)
	}
}

// What a command has said instead is the value of its check: "done" would be all that is told of a sabotage.
func TestQuoted(t *testing.T) {
	counter := "table inet seen {\n\tcounter h1-to-h3 {\n\t\tpackets 0 bytes 0\n\t}\n}"
	for _, c := range []struct{ said, text, want string }{
		{counter, "packets 0 bytes", `"packets 0 bytes 0"`},
		{counter, "packets 10 bytes", `"packets 0 bytes 0"`},
		{counter, "nothing of it", `"}"`},
		{"", "x", "nothing"},
		{strings.Repeat("x", 100), "x", `"` + strings.Repeat("x", mostQuoted) + ` ..."`},
	} {
		if got := quoted(c.said, c.text); got != c.want {
			t.Errorf("%q in %q: %s, want %s", c.text, c.said, got, c.want)
		}
	}
}
