package netns

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/pki"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Up brings a lab up and starts its daemons, key servers first. It does not wait for registrations. When anything fails,
// or ctx ends, everything is taken down again. When the network stands and no daemon runs yet, it calls ready, unless that
// is nil: who wants to see every packet starts looking there.
func Up(ctx context.Context, name string, s *scenario.Scenario, ready func(*Lab) error) (*Lab, error) {
	if !scenario.ValidName(name) {
		return nil, fmt.Errorf("lab name %q: a letter and up to 15 more letters, digits or underscores, in lower case", name)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("network namespaces need root: run it with sudo")
	}
	programs, err := findPrograms(s)
	if err != nil {
		return nil, err
	}
	left, err := namespaces(name)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(Dir(name)); err == nil || len(left) > 0 {
		return nil, fmt.Errorf("lab %s is already up, or half of it; getvpn-lab down %s clears it", name, name)
	}
	l := &Lab{name: name, s: s}
	err = l.build(programs)
	if err == nil && ready != nil {
		err = ready(l)
	}
	if err == nil {
		err = l.startAll(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted; the lab was taken down again")
		}
		return nil, errors.Join(err, Down(name))
	}
	return l, nil
}

func (l *Lab) build(programs map[string]string) error {
	dir := Dir(l.name)
	for _, d := range []struct {
		name string
		mode os.FileMode
	}{{"", 0o755}, {"sockets", 0o755}, {"logs", 0o755}, {"config", 0o700}, {"secrets", 0o700}, {"state", 0o700}, {"hsm", 0o700}} {
		if err := os.MkdirAll(filepath.Join(dir, d.name), d.mode); err != nil {
			return fmt.Errorf("run directory: %w", err)
		}
	}
	unlock, err := lock(l.name)
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.WriteFile(filepath.Join(dir, "scenario.yaml"), l.s.Text, 0o600); err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	if err := writeSecrets(dir, l.s.Secrets); err != nil {
		return err
	}
	if err := pki.Make(filepath.Join(dir, "secrets"), l.s.PKI, time.Now()); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	if err := buildNetwork(l.name, l.s); err != nil {
		return err
	}
	if err := l.routeMulticast(); err != nil {
		return err
	}
	st := &State{Name: l.name, Scenario: l.s.Name, Driver: "netns", Dir: dir, Created: time.Now().UTC(), Vars: l.s.Vars,
		Protected: l.s.Protected, Faults: []Fault{}}
	for _, n := range l.s.Nodes {
		ns, err := l.prepare(n, programs)
		if err != nil {
			return err
		}
		st.Nodes = append(st.Nodes, ns)
	}
	for _, k := range l.s.Links {
		st.Links = append(st.Links, LinkState{k.Ends[0].Node, k.Ends[0].Interface, k.Ends[1].Node, k.Ends[1].Interface})
	}
	return st.write()
}

// startAll starts the daemons, key servers first, and waits until each answers.
func (l *Lab) startAll(ctx context.Context) error {
	for _, kind := range []scenario.Kind{scenario.KindKeyServer, scenario.KindMember, scenario.KindCore, scenario.KindHost} {
		for _, n := range l.s.Nodes {
			if n.Kind != kind || n.Program == "" || n.Manual {
				continue
			}
			if err := l.Start(ctx, n.Name); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// prepare writes what the daemon of a node needs and describes the node.
func (l *Lab) prepare(n scenario.Node, programs map[string]string) (NodeState, error) {
	out := NodeState{Name: n.Name, Kind: n.Kind, Namespace: prefix(l.name) + n.Name, Addresses: addresses(n), Outsider: n.Outsider}
	if n.Program == "" {
		return out, nil
	}
	at, err := l.places(n.Name)
	if err != nil {
		return out, err
	}
	if err := os.MkdirAll(at.State, 0o700); err != nil {
		return out, fmt.Errorf("state directory: %w", err)
	}
	text, err := l.s.Render(&n, at)
	if err != nil {
		return out, err
	}
	out.Program, out.Wanted = programs[l.s.Programs[n.Program].Binary], WantedStopped
	out.Socket, out.Log, out.Config = at.Socket, l.LogFile(n.Name), l.configFile(n.Name)
	if err := os.WriteFile(out.Config, []byte(text), 0o600); err != nil {
		return out, fmt.Errorf("configuration of %s: %w", n.Name, err)
	}
	if n.HSM != nil {
		if err := l.makeToken(n, out.Program, out.Config, at.Secrets); err != nil {
			return out, fmt.Errorf("token of %s: %w", n.Name, err)
		}
	}
	return out, nil
}

// writeSecrets makes fresh keys of 256 bits, as text, because operators type pre-shared keys.
func writeSecrets(dir string, names []string) error {
	for _, name := range names {
		var key [32]byte
		rand.Read(key[:])
		text := base64.RawStdEncoding.EncodeToString(key[:]) + "\n"
		if err := os.WriteFile(filepath.Join(dir, "secrets", name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("secret: %w", err)
		}
	}
	return nil
}

// findPrograms finds the daemons.
func findPrograms(s *scenario.Scenario) (map[string]string, error) {
	found := map[string]string{}
	for _, n := range s.Nodes {
		if n.Program == "" {
			continue
		}
		binary := s.Programs[n.Program].Binary
		if found[binary] != "" {
			continue
		}
		path, err := findProgram(binary)
		if err != nil {
			return nil, err
		}
		found[binary] = path
	}
	return found, nil
}

// findProgram looks in $GETVPN_BIN, beside this program, and in PATH.
func findProgram(binary string) (string, error) {
	var dirs []string
	if d := os.Getenv("GETVPN_BIN"); d != "" {
		dirs = append(dirs, d)
	}
	if self, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Dir(self))
	}
	for _, d := range dirs {
		path := filepath.Join(d, binary)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return filepath.Abs(path)
		}
	}
	path, err := exec.LookPath(binary)
	if err != nil {
		return "", fmt.Errorf("%s is neither in %s nor in PATH: run 'make build'", binary, strings.Join(dirs, ", "))
	}
	return filepath.Abs(path)
}

// Tail returns the last lines of a file, for error messages.
func Tail(path string, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	var last []string
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if last = append(last, "  "+in.Text()); len(last) > lines {
			last = last[1:]
		}
	}
	if len(last) == 0 {
		return "  (empty)"
	}
	return strings.Join(last, "\n")
}
