package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// inherit gives a run directory the certificates of the beginning of another: nobody can make the same again.
func inherit(s *scenario.Scenario, from, to string) error {
	if s.PKI == nil {
		return nil
	}
	if err := os.RemoveAll(certificates(to)); err != nil {
		return err
	}
	return copyFiles(certificates(from), certificates(to))
}

// copyFiles copies a directory of files, for nobody but us.
func copyFiles(from, to string) error {
	all, err := os.ReadDir(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755) //nolint:gosec // consoles of others may look for what is there for them
	}
	if err == nil {
		err = os.MkdirAll(to, 0o700)
	}
	for _, f := range all {
		b, rerr := os.ReadFile(filepath.Join(from, f.Name()))
		if err = errors.Join(err, rerr); err != nil {
			return err
		}
		err = os.WriteFile(filepath.Join(to, f.Name()), b, 0o600)
	}
	return err
}

// forkTo begins another lab with the plan up to now.
func (s *Server) forkTo(name string) (string, error) {
	if err := driver.Free(name); err != nil {
		return "", err
	}
	p := &Plan{Seed: s.plan.Seed, Epoch: s.plan.Epoch, Start: s.run.Now(), Forked: s.name, Orders: append([]Order{}, s.plan.Orders[:s.run.next]...)}
	err := inherit(s.plan.scenario, s.dir, driver.Dir(name))
	if err == nil {
		err = spawn(name, s.plan.scenario, p)
	}
	if err != nil {
		return "", errors.Join(err, Driver{}.Clear(name), driver.RemoveDir(name))
	}
	return fmt.Sprintf("lab %s begins as %s is at %v", name, s.name, s.run.Now()), nil
}
