package keyserver

import (
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
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

// validateSignature says what is wrong with how PUSH messages are to be signed.
func (c *Config) validateSignature() error {
	public, err := suite.ParseSignatureKey(c.SignPublic)
	switch {
	case err != nil:
		return err
	case !suite.KnownHash(c.SignHash):
		return fmt.Errorf("unknown hash %d", c.SignHash)
	case public.Hash(c.SignHash) != c.SignHash:
		return fmt.Errorf("%v signs %s alone, not %s (RFC 6407 §5.3.5)", public, suite.HashName(public.Hash(0)), suite.HashName(c.SignHash))
	case public.Scheme(c.SignForm) != c.SignForm:
		return fmt.Errorf("%v does not sign in form %d; leave the form out", public, c.SignForm)
	}
	return nil
}

// signature is the algorithm of a key that validateSignature has seen.
func (c *Config) signature() suite.Signature {
	if public, err := suite.ParseSignatureKey(c.SignPublic); err == nil {
		return public.Signature()
	}
	return suite.SignatureRSA
}

// signed is how a key signs, in a word: the hash of RSA keys, or the algorithm that implies one.
func (c *Config) signed() string {
	if s := c.signature(); s != suite.SignatureRSA {
		return s.String()
	}
	return suite.HashName(c.SignHash)
}

// sized is how many TEKs of a chain there can be at once.
type sized struct {
	*chain
	teks int
}

// fits says whether a PUSH with as many TEKs as the group can have alive fits into one datagram.
func (c *Config) fits() error {
	var all []sized
	for _, ch := range c.chains() {
		all = append(all, sized{ch, maxTEKs})
	}
	return c.fit(all)
}

// roomFor says whether there is room for the first TEKs of new chains, and the next ones of all, beside those alive.
func (g *Group) roomFor(cfg *Config, chains []*chain) error {
	var all []sized
	for _, c := range chains {
		all = append(all, sized{c, max(len(g.of(c)), 1) + 1})
	}
	for _, t := range g.teks {
		if !slices.Contains(chains, t.chain) {
			all = append(all, sized{t.chain, 1})
		}
	}
	if err := cfg.fit(all); err != nil {
		return fmt.Errorf("the keys of earlier policies still live, try again when they have ended: %w", err)
	}
	return nil
}

func (c *Config) fit(all []sized) error {
	public, err := suite.ParseSignatureKey(c.SignPublic)
	if err != nil {
		return err
	}
	o := &pull.Offer{AccessList: c.AccessList(), Mode: c.Mode, ATD: c.ActivationDelay, DTD: c.ActivationDelay, SIDBits: c.SIDBits, Time: new(pull.TimeOffer)}
	if c.Coop != nil {
		for range len(c.Coop.IDs) - 1 {
			o.Trusted = append(o.Trusted, c.SignPublic)
		}
	}
	kek := push.Key{Suite: c.KEK, Key: machine.TakeSecret(make([]byte, c.KEK.KeyLen())), IV: machine.TakeSecret(make([]byte, c.KEK.IVLen())), Hash: c.SignHash, Public: public}
	o.KEK = &pull.KEKOffer{Suite: c.KEK, Key: kek.Key, IV: kek.IV, Lifetime: 1, Signature: public.Signature(), SigHash: c.SignHash, SigKeyDER: c.SignPublic, SigKeyBits: public.Bits()}
	permits := 0
	for _, ch := range all {
		permits += len(ch.permits) * ch.teks
		for range ch.teks {
			o.TEKs = append(o.TEKs, pull.TEKOffer{SPI: gdoi.MinSPI, Suite: ch.suite, Key: machine.TakeSecret(make([]byte, ch.suite.KeymatLen())), Lifetime: 1, Policy: ch.permits})
		}
	}
	u, err := push.Build(&kek, &push.Message{Seq: 1, Offer: o, SendAccessList: true}, c.SignForm)
	if err != nil {
		return fmt.Errorf("%d TEKs alive with %d selectors in all are too much for one rekey message: %w; summarise prefixes, or let selectors share an SPI",
			len(o.TEKs), permits, err)
	}
	u.Destroy()
	return nil
}
