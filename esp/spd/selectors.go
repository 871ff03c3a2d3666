package spd

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/getvpn/getvpn/esp/packet"
)

// Selectors are what one SA protects (RFC 4301 §4.4.1.1), compiled: permits, in no order. They never change.
type Selectors struct {
	list *list
	id   uint64 // no two have the same, so that a cache cannot mistake them
}

// lastID is the last id given out; those up to 2+groups mean something else to a cache.
var lastID atomic.Uint64

const firstID = 1 << 32

// NewSelectors compiles rules, all of which must be permits.
func NewSelectors(rules []Rule) (*Selectors, error) {
	for i, r := range rules {
		if r.Action != Permit {
			return nil, fmt.Errorf("%w %d: selectors of an SA only permit", ErrRule, i+1)
		}
	}
	l, err := newList(rules)
	if err != nil {
		return nil, err
	}
	return &Selectors{list: l, id: firstID + lastID.Add(1)}, nil
}

// Same says whether the selectors were made of these rules.
func (x *Selectors) Same(rules []Rule) bool { return slices.Equal(x.list.source, rules) }

// Match says whether a packet is one of the SA's in one direction or the other.
func (x *Selectors) Match(f *packet.Flow) bool { return x.list.eitherWay(f) }
