package keyserver

import (
	"crypto/rsa"
	"fmt"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
)

// validateSAs says what is wrong with the access lists.
func (c *Config) validateSAs() error {
	if len(c.SAs) > 0 && len(c.Policy) > 0 {
		return fmt.Errorf("it has a policy and SAs; write the policy's rules into one of the SAs")
	}
	if err := c.AccessList().Validate(); err != nil {
		return err
	}
	names := map[string]bool{}
	owner := map[policy.Rule]string{}
	for _, s := range c.SAs {
		switch {
		case s.Name == "":
			return fmt.Errorf("an SA has no name")
		case names[s.Name]:
			return fmt.Errorf("two SAs have the name %q", s.Name)
		}
		names[s.Name] = true
		if len(s.Policy.Permits()) == 0 {
			return fmt.Errorf("SA %q permits nothing; move its rules to another SA", s.Name)
		}
		for _, r := range pull.AsSATs(s.Policy) {
			// Members find the SA of a rule by what its SATs say, and those know one port or any (RFC 6407 §5.5.1).
			if o, ok := owner[r]; ok && (o != s.Name || s.PerSelector) {
				return fmt.Errorf("SAs %q and %q both have the selector %q; give traffic one SA (ranges of ports cannot tell SAs apart)", o, s.Name, r)
			}
			owner[r] = s.Name
		}
	}
	return nil
}

// fits says whether a PUSH with as many TEKs as the group can have alive fits into one datagram.
func (c *Config) fits(public *rsa.PublicKey) error {
	o := &pull.Offer{AccessList: c.AccessList(), ATD: c.ActivationDelay, DTD: c.ActivationDelay, SIDBits: c.SIDBits}
	kek := push.Key{Suite: c.KEK, Key: machine.TakeSecret(make([]byte, c.KEK.KeyLen())), IV: machine.TakeSecret(make([]byte, c.KEK.IVLen())), Hash: c.SignHash, Public: public}
	o.KEK = &pull.KEKOffer{Suite: c.KEK, Key: kek.Key, IV: kek.IV, Lifetime: 1, SigHash: c.SignHash, SigKeyDER: c.SignPublic, SigKeyBits: public.N.BitLen()}
	chains := c.chains()
	for _, ch := range chains {
		for range maxTEKs {
			o.TEKs = append(o.TEKs, pull.TEKOffer{SPI: gdoi.MinSPI, Suite: ch.suite, Key: machine.TakeSecret(make([]byte, ch.suite.KeymatLen())), Lifetime: 1, Policy: ch.permits})
		}
	}
	u, err := push.Build(&kek, &push.Message{Seq: 1, Offer: o, SendAccessList: true}, c.SignForm)
	if err != nil {
		return fmt.Errorf("%d permits under %d SPIs, with up to %d keys of each alive: %w; summarise prefixes, or let selectors share an SPI",
			len(c.AccessList().Permits()), len(chains), maxTEKs, err)
	}
	u.Destroy()
	return nil
}
