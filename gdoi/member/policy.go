package member

import (
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/pull"
)

// generation is a policy as the key server said it: the group's access list and its mode.
type generation struct {
	list policy.List
	mode gdoi.Mode
}

func (a generation) equal(b generation) bool { return a.mode == b.mode && a.list.Equal(b.list) }

// policies are the generations that this member knows. One is in force; the next has a time; former ones count while
// other members may go by them.
type policies struct {
	current generation
	next    generation
	nextAt  machine.Timer
	former  []generation
	until   machine.Timer // the end of the former ones
	listed  bool          // the key server says whole access lists
}

// maxFormer bounds the generations that are remembered.
const maxFormer = 4

// latest is the newest generation.
func (p *policies) latest() generation {
	if _, on := p.nextAt.Deadline(); on {
		return p.next
	}
	return p.current
}

// others are the generations that are in force at other members, or soon will be.
func (p *policies) others() []generation {
	out := slices.Clone(p.former)
	if _, on := p.nextAt.Deadline(); on {
		out = append(out, p.next)
	}
	return slices.DeleteFunc(out, func(o generation) bool { return o.list.Equal(p.current.list) })
}

// learn takes the policy of an offer; fresh says that it comes by PULL. A list that differs comes into force when the new
// keys do, since the others change over then. It returns false when the offer tells too little, and only a registration
// tells the rest: a PUSH to a group with members that do not know our attributes.
func (g *Group) learn(now machine.Now, o *pull.Offer, fresh bool) bool {
	p := &g.policies
	if fresh {
		p.listed = o.AccessList != nil
	}
	latest := p.latest()
	gen := generation{o.Policy(latest.list), o.Mode}
	if o.AccessList == nil && p.listed {
		return g.covers(latest, o)
	}
	p.listed = p.listed || o.AccessList != nil
	switch {
	case !g.state.HoldsKeys() || len(p.current.list) == 0:
		p.current = gen
		p.nextAt.Stop()
		if f := o.Former; f != nil && f.For > 0 {
			p.current, p.next = generation{f.AccessList, f.Mode}, gen
			p.nextAt.Set(now.Mono.Add(f.For))
		} else if f != nil {
			g.remember(now, generation{f.AccessList, f.Mode}, 4*g.base)
		}
	case gen.equal(p.current):
		g.forgo(now, o)
		p.nextAt.Stop()
	case gen.equal(latest): // announced before
	default:
		g.forgo(now, o)
		p.next = gen
		p.nextAt.Set(now.Mono.Add(o.ATD))
	}
	return true
}

// remember keeps a generation that others may go by until d from now.
func (g *Group) remember(now machine.Now, gen generation, d time.Duration) {
	p := &g.policies
	if p.former = append(p.former, gen); len(p.former) > maxFormer {
		p.former = p.former[1:]
	}
	end, _ := p.until.Deadline()
	p.until.Set(max(end, now.Mono.Add(d)))
}

// forgo gives up the next generation for that of the offer: others may have turned to it a little earlier.
func (g *Group) forgo(now machine.Now, o *pull.Offer) {
	if _, on := g.policies.nextAt.Deadline(); on {
		g.remember(now, g.policies.next, o.ATD+4*g.base)
	}
}

// covers says whether a generation explains an offer that has SATs alone.
func (g *Group) covers(gen generation, o *pull.Offer) bool {
	if (o.Mode == gdoi.ModeReceiveOnly) != (gen.mode == gdoi.ModeReceiveOnly) {
		return false
	}
	known := map[policy.Rule]bool{}
	for _, r := range pull.AsSATs(gen.list) {
		known[r] = true
	}
	for _, e := range o.TEKs {
		if g.tek(e.SPI) != nil {
			continue
		}
		for _, r := range e.Policy {
			if !known[r] {
				return false
			}
		}
	}
	return true
}

// turn brings the next generation into force when its time has come, and forgets former ones when everybody has turned
// and the TEKs that only they use have ended.
func (g *Group) turn(now machine.Now, out machine.Effects) machine.Effects {
	p := &g.policies
	if p.nextAt.Due(now.Mono) {
		p.nextAt.Stop()
		g.remember(now, p.current, 4*g.base) // the ATD of another SA may have put off others for 2A
		p.current = p.next
		out = append(out, g.note(gdoi.NotePolicyChanged, machine.Info, fmt.Sprintf("new access list, %d rules, mode %v", len(p.current.list), p.current.mode)))
	}
	if p.until.Due(now.Mono) {
		p.until.Stop()
		wanted := g.wanted(p.current.list)
		for _, t := range g.teks {
			if wanted[t.class] == nil && t.expires > now.Mono {
				end, on := p.until.Deadline()
				if !on || t.expires > end {
					p.until.Set(t.expires)
				}
			}
		}
		if _, on := p.until.Deadline(); !on {
			p.former = nil
		}
	}
	return out
}

// class is a set of permits that one SA protects, and its successors.
type class struct {
	id      int
	permits policy.List
}

// classes number sets of permits. A number names the same permits as long as the process lives.
type classes struct {
	known []class
	next  int
	none  int // the class of permits that no SA protects; 0: not given yet
}

// maxClasses bounds what is remembered of permits without keys.
const maxClasses = 512

func (g *Group) classOf(permits policy.List) int {
	c := &g.classes
	for _, k := range c.known {
		if k.permits.Equal(permits) {
			return k.id
		}
	}
	if len(c.known) >= maxClasses {
		c.known = slices.DeleteFunc(c.known, func(k class) bool {
			return !slices.ContainsFunc(g.teks, func(t *tek) bool { return t.class == k.id })
		})
	}
	k := class{c.next, slices.Clone(permits)}
	c.next++
	c.known = append(c.known, k)
	return k.id
}

// orphans is the class of permits without an SA: it never has a key, so what belongs to it is dropped.
func (g *Group) orphans() int {
	c := &g.classes
	if c.none == 0 {
		c.next = max(c.next, 1)
		c.none = c.next
		c.next++
	}
	return c.none
}

// protectors maps each selector to the TEKs that protect it, oldest first.
func (g *Group) protectors() map[policy.Rule][]*tek {
	m := map[policy.Rule][]*tek{}
	for _, t := range g.teks {
		for _, r := range t.permits {
			m[r] = append(m[r], t)
		}
	}
	return m
}

// protecting lists the TEKs that protect a permit, oldest first. A list says ranges of ports that SATs cannot.
func protecting(m map[policy.Rule][]*tek, r policy.Rule) []*tek {
	if teks := m[pull.AsSATs(policy.List{r})[0]]; teks != nil {
		return teks
	}
	var out []*tek
	for sat, teks := range m {
		if sat.Covers(r) {
			out = append(out, teks...)
		}
	}
	slices.SortFunc(out, func(a, b *tek) int { return int(a.epoch) - int(b.epoch) })
	return slices.Compact(out)
}

// classify says to which class each rule of a list belongs: that of the TEK to send with among those that protect it.
func (g *Group) classify(now machine.Now, l policy.List) []int {
	out := make([]int, len(l))
	m := g.protectors()
	for i, r := range l {
		if r.Action != policy.Permit {
			continue
		}
		teks := protecting(m, r)
		switch t := choose(now, teks, g.sending); {
		case t != nil:
			out[i] = t.class
		case len(teks) > 0:
			out[i] = teks[len(teks)-1].class // about to be retired
		default:
			out[i] = g.orphans()
		}
	}
	return out
}

// wanted are the newest TEKs of the classes that a list needs in the long run.
func (g *Group) wanted(l policy.List) map[int]*tek {
	out := map[int]*tek{}
	m := g.protectors()
	for _, r := range l.Permits() {
		if teks := protecting(m, r); len(teks) > 0 {
			of := g.ofClass(teks[len(teks)-1].class)
			out[of[0].class] = of[len(of)-1]
		}
	}
	return out
}

// lacking says whether some permit has no key: its traffic is dropped.
func (g *Group) lacking() bool {
	m := g.protectors()
	return slices.ContainsFunc(g.policies.current.list.Permits(), func(r policy.Rule) bool { return len(protecting(m, r)) == 0 })
}

// mode is that of the group, or the operator's own.
func (g *Group) mode(gen generation) gdoi.Mode {
	if g.cfg.Mode != nil {
		return *g.cfg.Mode
	}
	return gen.mode
}

func (g *Group) withLocal(l policy.List) policy.List {
	effective, err := l.WithLocal(g.cfg.LocalPolicy)
	if err != nil {
		return l // cannot be: Validate has seen the local rules
	}
	return effective
}

// publish tells the data plane the policy, if anything of it has changed.
func (g *Group) publish(now machine.Now, out machine.Effects) machine.Effects {
	p := gdoi.SetPolicy{Group: g.cfg.Name, Policy: g.withLocal(g.policies.current.list), Mode: g.mode(g.policies.current), Registered: g.state.HoldsKeys()}
	if p.Registered {
		p.Classes = g.classify(now, p.Policy)
		for _, o := range g.policies.others() {
			p.Also = append(p.Also, g.withLocal(o.list))
		}
	}
	if g.told != nil && samePolicy(*g.told, p) {
		return out
	}
	g.told = &p
	p.Policy, p.Classes = slices.Clone(p.Policy), slices.Clone(p.Classes)
	return append(out, p)
}

func samePolicy(a, b gdoi.SetPolicy) bool {
	return a.Registered == b.Registered && a.Mode == b.Mode && a.Policy.Equal(b.Policy) && slices.Equal(a.Classes, b.Classes) &&
		slices.EqualFunc(a.Also, b.Also, policy.List.Equal)
}

// inTime brings activations forward that would come too late. There is one ATD for all SAs of a message, and a message that
// tells of one may be the first to tell of another that is further: so a new TEK is sent with, and a new list comes into
// force, no later than in half of what is left to the TEK that it takes over from. For the SA that the ATD is meant for
// that changes nothing: its old TEK has twice the ATD to live.
func (g *Group) inTime(now machine.Now, unknown []gdoi.SPI) {
	half := func(t *tek) machine.Instant { return now.Mono.Add(max(0, t.expires.Sub(now.Mono)) / 2) }
	m := g.protectors()
	for _, t := range g.teks {
		if !slices.Contains(unknown, t.spi) {
			continue
		}
		for _, r := range t.permits {
			i := slices.Index(m[r], t)
			if i > 0 && m[r][i-1].expires > now.Mono {
				t.sendAfter = min(t.sendAfter, half(m[r][i-1]))
			}
			for _, o := range m[r][:i] {
				// Before it, everybody sends with the older ones. One that another message has put off is not for this one
				// to hurry: not everybody may have it.
				if slices.Contains(unknown, o.spi) {
					o.sendAfter = min(o.sendAfter, t.sendAfter)
				}
			}
		}
	}
	at, on := g.policies.nextAt.Deadline()
	if !on {
		return
	}
	wanted := g.wanted(g.policies.next.list)
	for class := range g.sending {
		if of := g.ofClass(class); wanted[class] == nil && len(of) > 0 {
			at = min(at, half(of[len(of)-1]))
		}
	}
	g.policies.nextAt.Set(at)
}
