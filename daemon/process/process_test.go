package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi/machine"
)

func jsonLog(b *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestSink(t *testing.T) {
	var (
		out bytes.Buffer
		j   control.Journal
	)
	s := Sink{Node: "ks1", Log: jsonLog(&out), Journal: &j}
	now := machine.Now{Wall: time.Date(2026, 11, 24, 1, 2, 3, 0, time.UTC)}
	s.Note(now, machine.Note{Name: "detail", Severity: machine.Debug, Text: "x"})
	s.Note(now, machine.Note{
		Name: "rekey-sent", Severity: machine.Warning, Group: "blue", Peer: "10.1.0.1", Reason: "why", Text: "rekey 4 to 3 members",
		Fields: []machine.Field{machine.F("seq", "4")},
	})
	ev := j.Since(0, 10)
	if len(ev) != 1 {
		t.Fatalf("the journal has %d events, want the one that is no debug event", len(ev))
	}
	e := ev[0]
	if e.Seq != 1 || e.Node != "ks1" || e.Name != "rekey-sent" || e.Severity != "warning" || e.Group != "blue" ||
		e.Peer != "10.1.0.1" || e.Reason != "why" || e.Fields["seq"] != "4" || !e.Time.Equal(now.Wall) {
		t.Errorf("%+v", e)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("log: %q", lines)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(lines[1]), &got); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]any{
		"level": "WARN", "msg": "rekey 4 to 3 members", "event": "rekey-sent", "group": "blue", "peer": "10.1.0.1", "seq": "4", "journal": 1.0,
	} {
		if got[k] != want {
			t.Errorf("log: %s is %v, want %v", k, got[k], want)
		}
	}
}

func TestExit(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		want int
	}{
		{"in order", nil, ExitOK},
		{"check failed", Checked(false), ExitConfig},
		{"check passed", Checked(true), ExitOK},
		{"configuration", fmt.Errorf("x: %w", config.ErrInvalid), ExitConfig},
		{"fault", errFault{errors.New("socket")}, ExitFault},
		{"command line", errors.New("unknown flag"), ExitUsage},
	} {
		if got := Exit(row.err); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
}

// idle is a daemon that does nothing until it is told to end.
type idle struct{ snapshots, reloaded, reconfigured chan struct{} }

func (i *idle) Reload(context.Context) (string, error) {
	i.reloaded <- struct{}{}
	return "new lists", nil
}

func (i *idle) Reconfigure(context.Context) { i.reconfigured <- struct{}{} }

func (i *idle) Run(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}

func (i *idle) Snapshot(context.Context) (*control.Snapshot, error) {
	i.snapshots <- struct{}{}
	return &control.Snapshot{Name: "idle"}, nil
}

// TestSignals sends real signals to this process.
func TestSignals(t *testing.T) {
	d := &idle{make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)}
	ended := make(chan error, 1)
	var out bytes.Buffer
	log := jsonLog(&out)
	started := make(chan struct{})
	go func() {
		ended <- Supervise(readyDaemon{d, started}, log)
	}()
	<-started
	kill := func(s syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
	}
	kill(syscall.SIGHUP)
	<-d.reloaded
	<-d.reconfigured
	kill(syscall.SIGUSR1)
	<-d.snapshots
	kill(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), `"name":"idle"`) {
		t.Errorf("no snapshot in the log: %s", out.String())
	}
}

// readyDaemon says when it runs, which is after the signals were subscribed to.
type readyDaemon struct {
	*idle
	started chan struct{}
}

func (r readyDaemon) Run(ctx context.Context, ready func()) error {
	close(r.started)
	return r.idle.Run(ctx, ready)
}

// TestCommand runs the command line as a user would.
func TestCommand(t *testing.T) {
	type conf struct{ config.Common }
	spec := Spec[conf]{
		Name: "getvpn-test", Short: "A test",
		Load: func(path string) (*conf, error) {
			if path == "bad" {
				return nil, fmt.Errorf("%w: bad:1:1: unknown key", config.ErrInvalid)
			}
			return &conf{config.Common{Name: path, Warnings: []string{"loud"}}}, nil
		},
		Common:    func(c *conf) *config.Common { return &c.Common },
		Effective: func(c *conf) string { return "name: " + c.Name + "\n" },
		Check: func(c *conf) error {
			if c.Name == "worse" {
				return errors.New("the machine does not want it")
			}
			return nil
		},
		New: func(*conf, *slog.Logger) (Daemon, error) { return nil, errors.New("port 848 is taken") },
	}
	for _, row := range []struct {
		name string
		args []string
		exit int
		out  string
	}{
		{"check", []string{"--config", "good", "--check-config"}, ExitOK, "name: good"},
		{"warning", []string{"--config", "good", "--check-config"}, ExitOK, "warning: loud"},
		{"mistake", []string{"--config", "bad", "--check-config"}, ExitConfig, ""},
		{"mistake of the machine", []string{"--config", "worse", "--check-config"}, ExitConfig, ""},
		{"no file", nil, ExitUsage, ""},
		{"unknown flag", []string{"--loud"}, ExitUsage, ""},
		{"version", []string{"--version"}, ExitOK, "PKCS#11 tokens"},
		{"help", []string{"--help"}, ExitOK, "Exit codes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			cmd := Command(spec)
			cmd.SetArgs(row.args)
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			if got := Exit(cmd.Execute()); got != row.exit || !strings.Contains(out.String(), row.out) {
				t.Errorf("exit %d, want %d; output %q, want %q", got, row.exit, out.String(), row.out)
			}
		})
	}
}
