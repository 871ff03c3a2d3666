package hsmcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/process"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
	"github.com/getvpn/getvpn/hsm/pkcs11"
)

const officerPIN, userPIN = "officer-0815", "user-4711"

// bench is a key server's configuration with a token that nobody has initialised.
type bench struct {
	*testing.T
	dir string
}

func newBench(t *testing.T, custody string) *bench {
	t.Helper()
	b := &bench{t, t.TempDir()}
	b.write("psk", "0123456789abcdef0123456789")
	b.write("pin", userPIN)
	b.write("so", officerPIN)
	b.write("ks.yml", fmt.Sprintf(`name: ks1
listen: 127.0.0.1:848
control: ks.sock
state: state
identity: {address: 127.0.0.1}
phase1: {suites: [aes128-sha256-ecp256], lifetime: 1h}
pre-shared-keys: [{peer: 127.0.1.0/24, secret-file: psk}]
%s
groups: [{name: blue, id: 1234, authorise: [{address: 127.0.1.0/24}], policy: ["permit ip 10.0.0.0/8 10.0.0.0/8"]}]
`, custody))
	return b
}

// softHSM is where a token can be made.
func softHSM(t *testing.T) *hsmtest.SoftHSM {
	t.Helper()
	if !pkcs11.Available {
		t.Skip("built without cgo")
	}
	return hsmtest.NewSoftHSM(t)
}

func tokenBench(t *testing.T) *bench {
	t.Helper()
	s := softHSM(t)
	return newBench(t, fmt.Sprintf("custody: {module: %s, token: \"pkcs11:token=ks1\", pin: {file: pin}, allow-oaep-sha1: true}", s.Module))
}

func (b *bench) write(name, text string) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// wanted are the keys of the tests' key server.
var wanted = []custody.Key{
	{Name: "state", Spec: hsm.Spec{Kind: hsm.AES256, Use: hsm.Seal}, For: "the state"},
	{Name: "rekey-blue", Spec: hsm.Spec{Kind: hsm.P256, Use: hsm.Sign}, For: "group blue"},
}

// run runs a verb, and returns what it printed with its exit code.
func (b *bench) run(input string, args ...string) (string, int) {
	b.Helper()
	cmd := Command(Spec{Daemon: "getvpn-ks", Server: true, Load: func(file string) (*Target, error) {
		c, err := config.LoadKS(file)
		if err != nil {
			return nil, err
		}
		return &Target{Common: &c.Common, Keys: wanted}, nil
	}})
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetIn(strings.NewReader(input))
	cmd.SetArgs(append(args, "--config", filepath.Join(b.dir, "ks.yml")))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(context.WithoutCancel(b.Context()))
	if err != nil {
		fmt.Fprintln(&out, err)
	}
	for _, secret := range []string{officerPIN, userPIN} {
		if strings.Contains(out.String(), secret) {
			b.Errorf("%v prints a PIN: %s", args, &out)
		}
	}
	return out.String(), process.Exit(err)
}

func (b *bench) wants(code int, texts []string, input string, args ...string) string {
	b.Helper()
	out, got := b.run(input, args...)
	if got != code {
		b.Fatalf("%v ends with %d instead of %d:\n%s", args, got, code, out)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			b.Errorf("%v does not say %q:\n%s", args, text, out)
		}
	}
	return out
}

// TestTokenLife is what an operator does with a new token.
func TestTokenLife(t *testing.T) {
	b := tokenBench(t)
	so := []string{"--so-pin-file", filepath.Join(b.dir, "so")}
	b.wants(process.ExitFault, []string{"no token matches", "hsm init"}, "", "status")
	b.wants(process.ExitFault, []string{"no token matches"}, "", "selftest")
	b.wants(process.ExitFault, []string{"--force goes with --wipe"}, "", append(so, "init", "--force")...)
	b.wants(process.ExitOK, []string{"was initialised", "rekey-blue           P-256 to sign          was made (group blue)", "hsm selftest"}, "", append(so, "init")...)
	again := b.wants(process.ExitOK, []string{"left alone", "is there (group blue)"}, "", append(so, "init")...)
	if strings.Contains(again, "was made") {
		t.Errorf("keys are made twice:\n%s", again)
	}
	b.wants(process.ExitOK, []string{"pkcs11: ready", "rekey-blue           P-256    sign, made here", "no daemon was asked"}, "", "status")
	b.wants(process.ExitOK, []string{"RSA signature                      works", "wrapping and unwrapping            works"}, "", "selftest")

	t.Run("a key is missing", func(t *testing.T) {
		b := &bench{t, b.dir}
		wanted = append(wanted, custody.Key{Name: "rekey-green", Spec: hsm.Spec{Kind: hsm.P256, Use: hsm.Sign}})
		defer func() { wanted = wanted[:len(wanted)-1] }()
		b.wants(process.ExitConfig, []string{"missing      rekey-green", "'hsm init' makes it"}, "", "status")
		var st Status
		if err := json.Unmarshal([]byte(strings.TrimSuffix(b.wants(process.ExitConfig, nil, "", "status", "--json"), "a check failed\n")), &st); err != nil {
			t.Fatal(err)
		}
		if st.Source != "token" || len(st.Missing) != 1 || !st.Custody.Ready || len(st.Custody.Keys) != 2 || st.Custody.Findings == nil {
			t.Errorf("the status is %+v", st)
		}
	})

	t.Run("wiping", func(t *testing.T) {
		b := &bench{t, b.dir}
		for _, typed := range []string{"", "yes\n", "ks2\n"} {
			b.wants(process.ExitFault, []string{"has 2 keys: rekey-blue, state", "was not wiped"}, typed, append(so, "init", "--wipe")...)
		}
		b.write("wrong", "somebody else's")
		b.wants(process.ExitFault, []string{"refused the security officer's PIN"}, "ks1\n", "init", "--wipe", "--so-pin-file", filepath.Join(b.dir, "wrong"))
		b.wants(process.ExitOK, []string{"is there (the state)"}, "", append(so, "init")...)
		b.wants(process.ExitOK, []string{"was initialised", "was made (the state)"}, "ks1\n", append(so, "init", "--wipe")...)
		b.wants(process.ExitOK, []string{"was initialised", "was made (the state)"}, "", append(so, "init", "--wipe", "--force")...)
	})

	t.Run("the PIN is lost", func(t *testing.T) {
		b := &bench{t, b.dir}
		b.write("pin", "not the user")
		b.wants(process.ExitFault, []string{"refused the PIN"}, "", "status")
		if out, _ := b.run("", "status"); strings.Contains(out, "hsm init") {
			t.Errorf("it is no new token:\n%s", out)
		}
		b.wants(process.ExitFault, []string{"cannot be looked into", "was not wiped"}, "no\n", append(so, "init", "--wipe")...)
		b.wants(process.ExitOK, []string{"was initialised"}, "ks1\n", append(so, "init", "--wipe")...)
	})
}

// TestRotatedKeysAreNotMadeAgain: the name in the configuration stays, the key has moved on.
func TestRotatedKeysAreNotMadeAgain(t *testing.T) {
	b := newBench(t, "custody: {backend: files}")
	b.wants(process.ExitOK, []string{"no token to initialise", "rekey-blue           P-256 to sign          was made"}, "", "init")
	h, err := custody.OpenToken(t.Context(), nil, filepath.Join(b.dir, "state"), custody.TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Ensure(t.Context(), "rekey-blue.2", wanted[1].Spec); err != nil {
		t.Fatal(err)
	}
	if err := h.Destroy(t.Context(), "rekey-blue"); err != nil {
		t.Fatal(err)
	}
	out := b.wants(process.ExitOK, []string{"rekey-blue           was rotated"}, "", "init")
	if strings.Contains(out, "was made") {
		t.Errorf("the old key is made again:\n%s", out)
	}
	b.wants(process.ExitOK, []string{"rekey-blue.2"}, "", "status")
}

func TestNoCustodySection(t *testing.T) {
	b := newBench(t, "")
	b.wants(process.ExitFault, []string{"no custody section"}, "", "init")
	b.wants(process.ExitFault, []string{"no key server answers"}, "", "rotate", "--group", "blue")
}

// TestRunningDaemonIsAsked: it knows more than a token does, and the token is left in peace.
func TestRunningDaemonIsAsked(t *testing.T) {
	b := newBench(t, "custody: {backend: files}")
	c := &control.Custody{
		Backend: "pkcs11", URI: "pkcs11:token=ks1", Ready: true, KEKs: control.CustodyToken, Degraded: []string{}, KeysAt: time.Unix(1, 0),
		Keys: []control.CustodyKey{{Name: "state"}, {Name: "rekey-blue.2"}},
	}
	var (
		rotated []string
		asked   atomic.Int32
	)
	srv := control.NewServer(control.Handlers{
		Snapshot: func(context.Context) (*control.Snapshot, error) {
			s := *c // the first answer has no keys yet
			if asked.Add(1) == 1 {
				s.Keys, s.KeysAt = nil, time.Time{}
			}
			return &control.Snapshot{Name: "ks1", Custody: &s}, nil
		},
		Rotate: func(_ context.Context, r control.RotateRequest) (string, error) {
			if r.Group != "blue" {
				return "", control.Refused("no group " + r.Group)
			}
			rotated = append(rotated, r.Group)
			return "a new key signs", nil
		},
	}, &control.Journal{})
	l, err := net.Listen("unix", filepath.Join(b.dir, "ks.sock"))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	defer func() {
		if err := srv.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		<-served
	}()
	out := b.wants(process.ExitOK, []string{"keks         in the token", "key          rekey-blue.2"}, "", "status")
	if strings.Contains(out, "no daemon was asked") || strings.Contains(out, "missing") {
		t.Errorf("the daemon's status:\n%s", out)
	}
	b.wants(process.ExitConfig, []string{"no daemon was asked", "missing      state"}, "", "status", "--direct")
	b.wants(process.ExitOK, []string{"a new key signs"}, "", "rotate", "--group", "blue")
	b.wants(process.ExitConfig, []string{"error: no group green"}, "", "rotate", "--group", "green")
	if len(rotated) != 1 {
		t.Errorf("rotated were %q", rotated)
	}
}
