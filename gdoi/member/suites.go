package member

import (
	"errors"
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi/pull"
)

// ErrSuite is an offer that this member's operator does not want.
var ErrSuite = errors.New("the group's TEK suite is not among those that this member accepts")

var errDestinationOnly = errors.New("the group's senders need not preserve source addresses; set destination-only here if that is meant, or preserve both on the key server")

func (g *Group) takes(t *pull.TEKOffer) bool { return slices.Contains(g.cfg.Suites, t.Suite) }

// suitesAllowed refuses an offer in which some traffic would have no key that this member accepts. A TEK of a refused
// suite that has a successor for the same traffic is on its way out, and does not count.
func (g *Group) suitesAllowed(o *pull.Offer) error {
	for i := range o.TEKs {
		t := &o.TEKs[i]
		if t.DestinationOnly && !g.cfg.DestinationOnly {
			return errDestinationOnly
		}
		succeeds := func(s pull.TEKOffer) bool { return g.takes(&s) && s.Policy.Equal(t.Policy) }
		if !g.takes(t) && !slices.ContainsFunc(o.TEKs[i+1:], succeeds) {
			return fmt.Errorf("%w: %v; name it in the group's suites here, or use another on the key server", ErrSuite, t.Suite)
		}
	}
	return nil
}

// dropRefused takes those on their way out from an offer that suitesAllowed has let through, and wipes their keys.
func (g *Group) dropRefused(o *pull.Offer) {
	o.TEKs = slices.DeleteFunc(o.TEKs, func(t pull.TEKOffer) bool {
		if g.takes(&t) {
			return false
		}
		t.Key.Destroy()
		return true
	})
}
