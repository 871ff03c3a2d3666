package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// inherit gives a run directory the certificates of another: nobody can make the same again.
func inherit(s *scenario.Scenario, from, to string) error {
	if s.PKI == nil {
		return nil
	}
	to = filepath.Join(to, "secrets")
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(filepath.Join(from, "secrets")))
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
