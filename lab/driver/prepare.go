package driver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/getvpn/getvpn/lab/pki"
	"github.com/getvpn/getvpn/lab/scenario"
)

// BringUp is what Up does with a lab l that does not stand yet: build makes its files and its network, ready may look, the
// daemons start. When anything fails, or ctx ends, down takes it all away again.
func (c *Common) BringUp(ctx context.Context, l Lab, build func() error, ready func(Lab) error, down func(name string) error) error {
	err := build()
	if err == nil && ready != nil {
		err = ready(l)
	}
	if err == nil {
		err = c.serveAll()
	}
	if err == nil {
		err = c.startAll(ctx)
	}
	if err == nil {
		err = c.stillServed()
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted; the lab was taken down again")
	}
	return errors.Join(err, down(c.name))
}

// Make makes the run directory, with lab.json as the last file of it. In between, network makes the network.
func (c *Common) Make(driver string, programs map[string]string, network func() error) error {
	dir := Dir(c.name)
	for _, d := range []struct {
		name string
		mode os.FileMode
	}{{"", 0o755}, {"sockets", 0o755}, {"logs", 0o755}, {"config", 0o700}, {secretsDir, 0o700}, {"state", 0o700}, {"hsm", 0o700}} {
		if err := MakeDir(d.mode, dir, d.name); err != nil {
			return err
		}
	}
	unlock, err := lock(c.name)
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.WriteFile(filepath.Join(dir, "scenario.yaml"), c.s.Text, 0o600); err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	if err := writeSecrets(c.all(), c.s.Secrets); err != nil {
		return err
	}
	if err := pki.Make(c.all(), c.s.PKI, time.Now()); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	if err := network(); err != nil {
		return err
	}
	st := &State{Name: c.name, Scenario: c.s.Name, Driver: driver, Dir: dir, Created: time.Now().UTC(), Vars: c.s.Vars, Seed: c.s.Seed,
		Sabotaged: c.s.Sabotaged, Protected: c.s.Protected, Faults: []Fault{}}
	for _, n := range c.s.Nodes {
		ns, err := c.prepare(n, programs)
		if err != nil {
			return err
		}
		st.Nodes = append(st.Nodes, ns)
	}
	for _, k := range c.s.Links {
		st.Links = append(st.Links, LinkState{k.Ends[0].Node, k.Ends[0].Interface, k.Ends[1].Node, k.Ends[1].Interface})
	}
	return st.write()
}

// startAll starts the daemons, key servers first, and waits until each answers.
func (c *Common) startAll(ctx context.Context) error {
	for _, kind := range []scenario.Kind{scenario.KindKeyServer, scenario.KindMember, scenario.KindCore, scenario.KindHost} {
		for _, n := range c.s.Nodes {
			if n.Kind != kind || n.Program == "" || n.Manual {
				continue
			}
			if err := c.Start(ctx, n.Name); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// prepare writes what the daemon of a node needs and describes the node.
func (c *Common) prepare(n scenario.Node, programs map[string]string) (NodeState, error) {
	out := NodeState{Name: n.Name, Kind: n.Kind, Addresses: addresses(n), Outsider: n.Outsider}
	c.m.Describe(&out)
	if n.Program == "" {
		return out, nil
	}
	at, err := c.places(n.Name)
	if err != nil {
		return out, err
	}
	for _, dir := range []string{at.State, c.own(n.Name), at.Secrets} {
		if err := MakeDir(0o700, dir); err != nil {
			return out, err
		}
	}
	text, err := c.s.Render(&n, at)
	if err != nil {
		return out, err
	}
	out.Program, out.Wanted = programs[c.s.Programs[n.Program].Binary], WantedStopped
	out.Socket, out.Log, out.Config = at.Socket, c.LogFile(n.Name), c.configFile(n.Name)
	if err := os.WriteFile(out.Config, []byte(text), 0o600); err != nil {
		return out, fmt.Errorf("configuration of %s: %w", n.Name, err)
	}
	if err := c.handOut(n.Name); err != nil {
		return out, err
	}
	if n.HSM != nil {
		if err := c.makeToken(n, out.Program, out.Config); err != nil {
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
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("secret: %w", err)
		}
	}
	return nil
}
