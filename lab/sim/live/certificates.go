package live

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/lab/pki"
	"github.com/getvpn/getvpn/lab/sim"
)

// unlock finds the keys of certificates that are in the token of a node.
func (p *Plan) unlock(part *sim.Part) error {
	c := part.Certificates()
	if c == nil || p.scenario.Node(part.Name).HSM == nil {
		return nil
	}
	for _, name := range p.scenario.Node(part.Name).HSM.Keys {
		key, err := pki.Key(filepath.Join(p.dir, "secrets"), name)
		if err != nil {
			return fmt.Errorf("token of %s: %w", part.Name, err)
		}
		for i := range c.Own {
			if o := &c.Own[i]; o.Key == nil && config.SamePublic(key.Public(), o.Chain[0].PublicKey) {
				o.Key = key
			}
		}
	}
	return nil
}

// certificates is the directory with those of the beginning of a run, which stay as they are; the daemons have copies.
func certificates(dir string) string { return filepath.Join(dir, "pki") }

// certify makes the certificates of the scenario, unless they are there: a fork and whoever plays a run again have those of before.
func (p *Plan) certify() error {
	if p.scenario.PKI == nil {
		return nil
	}
	dir := certificates(p.dir)
	_, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.Mkdir(dir, 0o700); err == nil {
			err = pki.Make(dir, p.scenario.PKI, p.Epoch)
		}
	}
	if err == nil {
		err = p.handOut()
	}
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	return nil
}

// handOut gives the daemons the certificates and revocation lists of the beginning.
func (p *Plan) handOut() error {
	return copyFiles(certificates(p.dir), filepath.Join(p.dir, "secrets"))
}

// revoke puts a certificate on its authority's list, by the calendar of the run.
func (r *Run) revoke(name string) {
	must(pki.Revoke(filepath.Join(r.plan.dir, "secrets"), r.plan.scenario.PKI, name, r.s.Wall()))
	r.revoked = true
}
