package check

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/hsm/remains"
	"github.com/getvpn/getvpn/hsm/remains/remainstest"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

const holdVariable = "GETVPN_TEST_HOLD"

// TestMain lets the test binary be the daemon of TestRemains.
func TestMain(m *testing.M) {
	if os.Getenv(holdVariable) != "" {
		if err := keep(); err != nil {
			fmt.Println(err)
		}
		return
	}
	os.Exit(m.Run())
}

// keep keeps what it reads, until its input ends.
func keep() error {
	held := make([]byte, 128)
	n, err := io.ReadAtLeast(os.Stdin, held, 32)
	if err != nil {
		return err
	}
	fmt.Println("held")
	_, _ = os.Stdin.Read(make([]byte, 1))
	runtime.KeepAlive(held[:n])
	return nil
}

// holding is a lab with one daemon.
type holding struct {
	Lab
	pid     int
	secrets []remains.Secret
	known   []byte
	dir     string
}

func (l *holding) PID(string) (int, error)                       { return l.pid, nil }
func (l *holding) TokenSecrets(string) ([]remains.Secret, error) { return l.secrets, nil }
func (l *holding) Secret(string) ([]byte, error)                 { return l.known, nil }
func (l *holding) Written(string) []string                       { return []string{l.dir} }

// hold starts the daemon.
func hold(t *testing.T, what []byte) int {
	t.Helper()
	p := remainstest.Start(t, holdVariable+"=1")
	if _, err := p.In.Write(what); err != nil {
		t.Fatal(err)
	}
	if line := p.Line(); line != "held" {
		t.Fatalf("the daemon says %q", line)
	}
	return p.PID
}

func TestRemains(t *testing.T) {
	known, key, pin := make([]byte, 32), make([]byte, 32), []byte(rand.Text())
	_, _ = rand.Read(known)
	_, _ = rand.Read(key)
	secrets := []remains.Secret{{Name: "kek-1 value", Value: key}, {Name: "PIN", Value: pin}}
	for _, c := range []struct {
		name          string
		held, written []byte
		ok            bool
		says          string
	}{
		{"nothing", known, nil, true, "of ks1 0 of 2 secrets"},
		{"a key in memory", append(bytes.Clone(known), key...), nil, false, "of kek-1 value (octets)"},
		{"half a key in memory", append(bytes.Clone(known), key[:16]...), nil, false, "16 of 32 octets of kek-1 value"},
		{"a PIN in a file", known, []byte("PIN is " + string(pin)), false, "octets of PIN"},
		{"what must be there in a file", known, known, false, "octets of peers"},
		{"nothing at all", make([]byte, 32), nil, false, "proves nothing"},
	} {
		l := &holding{pid: hold(t, c.held), secrets: secrets, known: known, dir: t.TempDir()}
		if err := os.WriteFile(filepath.Join(l.dir, "log"), c.written, 0o600); err != nil {
			t.Fatal(err)
		}
		check := remainsOf{Nodes: []string{"ks1"}, Known: "peers"}
		r := check.Run(context.Background(), &Env{Lab: l, Log: t.Logf})
		if len(r) != 1 || r[0].OK != c.ok || !strings.Contains(r[0].Value+r[0].Message, c.says) {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	s, err := topologies.Load("basic", scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for want, check := range map[string]remainsOf{
		"nodes:": {}, "no hsm": {Nodes: []string{"ks1"}}, `no node "h1"`: {Nodes: []string{"h1"}},
	} {
		if err := check.Validate(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
