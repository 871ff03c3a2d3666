package live

import (
	"errors"
	"fmt"
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

// certify makes the certificates of the scenario, unless they are there: a fork and whoever plays a run again have those of before.
func (p *Plan) certify() error {
	dir := filepath.Join(p.dir, "secrets")
	if p.scenario.PKI == nil {
		return nil
	}
	if made, err := filepath.Glob(filepath.Join(dir, "*.crl")); err != nil || len(made) == 0 {
		if err := errors.Join(err, pki.Make(dir, p.scenario.PKI, p.Epoch)); err != nil {
			return fmt.Errorf("certificates: %w", err)
		}
	}
	p.lists = map[string][]byte{}
	for _, a := range p.scenario.PKI.Authorities {
		b, err := os.ReadFile(filepath.Join(dir, a.Name+".crl"))
		if err != nil {
			return fmt.Errorf("certificates: %w", err)
		}
		p.lists[a.Name+".crl"] = b
	}
	return nil
}

// revoke puts a certificate on its authority's list, by the calendar of the run.
func (r *Run) revoke(name string) {
	must(pki.Revoke(filepath.Join(r.plan.dir, "secrets"), r.plan.scenario.PKI, name, r.s.Wall()))
	r.revoked = true
}
