package engine

import (
	"maps"

	"github.com/getvpn/getvpn/esp/spd"
)

// class is one of a group's: the owner's number.
type class struct {
	group, number int
}

// classes gives every class that is in use a number that no other has or ever had, so that a worker with the policy of a
// moment ago cannot take another class's SA for the one that it looks for.
type classes struct {
	ids  map[class]uint32
	last uint32
}

func (c *classes) id(x class) uint32 {
	n, ok := c.ids[x]
	if !ok {
		c.last++
		n = c.last
		c.ids[x] = n
	}
	return n
}

// of gives the rules of a group their classes' numbers. Deny rules get one like all others.
func (c *classes) of(group int, p Policy) []uint32 {
	out := make([]uint32, len(p.Rules))
	for i := range out {
		x := class{group: group}
		if p.Classes != nil {
			x.number = p.Classes[i]
		}
		out[i] = c.id(x)
	}
	return out
}

// forgetClasses drops those that no rule belongs to and nothing is sent with: owners count on, without end.
func (e *Engine) forgetClasses() {
	named := map[uint32]bool{}
	for _, g := range e.groups {
		for _, id := range g.Classes {
			named[id] = true
		}
	}
	maps.DeleteFunc(e.classes.ids, func(_ class, id uint32) bool { return !named[id] && !e.db.Sends(id) })
}

// selectors compiles an SA's, or takes those of an SA that has the same: the next key of a class does.
func (e *Engine) selectors(rules []spd.Rule) (*spd.Selectors, error) {
	if rules == nil {
		return nil, nil
	}
	entries, _ := e.db.Entries()
	for _, x := range entries {
		if s := x.Selectors(); s != nil && s.Same(rules) {
			return s, nil
		}
	}
	return spd.NewSelectors(rules)
}
