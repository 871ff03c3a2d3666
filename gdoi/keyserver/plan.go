package keyserver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// Action is what a change does to a group.
type Action string

// Actions.
const (
	Unchanged Action = "unchanged"
	Changed   Action = "change"
	Added     Action = "add"
	Removed   Action = "remove"
)

// Plan is what a change of a group's configuration will do; nothing has been done yet. A value.
type Plan struct {
	Group  string
	Action Action
	// Rekeys says that TEKs are made at once.
	Rekeys bool
	// Was and Is are the digests of the access list (policy.List.Digest); empty: there is none.
	Was, Is string
	// Text is the consequences, one sentence each.
	Text []string
	// Lists compares the access lists that change, by SA.
	Lists []ListDiff
	// Refused says why the change cannot be made at all; empty: it can.
	Refused string
}

// ListDiff compares the access list of one SA.
type ListDiff struct {
	SA    string // empty: the group has only one
	Lines []policy.DiffLine
}

// Bounds of the life that is left to a TEK whose SA the policy no longer has.
const (
	minOldLife = 90 * time.Second
	maxOldLife = time.Hour
	oldPart    = 20 // a twentieth of the lifetime, between the two
)

// Plan says what Reconfigure would do; atOnce is its immediately. Nothing changes. The error says what is wrong with cfg.
func (g *Group) Plan(now machine.Now, cfg Config, atOnce bool) (Plan, error) {
	if err := cfg.Validate(); err != nil {
		return Plan{}, err
	}
	ch, full, _, err := g.compare(now, cfg, atOnce)
	w := planning{g: g, now: now, is: full, atOnce: atOnce, ch: ch, p: Plan{
		Group: cfg.Name, Action: Unchanged, Was: g.cfg.AccessList().Digest(), Is: full.AccessList().Digest(),
	}}
	if err != nil {
		w.p.Refused = strings.TrimPrefix(strings.TrimPrefix(err.Error(), fmt.Sprintf("%v %q: ", ErrConfig, cfg.Name)), fmt.Sprintf("group %s: ", cfg.Name))
		return w.p, nil
	}
	w.sas()
	w.kek()
	w.members()
	w.others()
	w.time()
	w.p.Rekeys = ch.Rekeys()
	if len(w.p.Text) == 0 {
		w.p.Text = []string{"nothing changes"}
		return w.p, nil
	}
	w.p.Action = Changed
	switch {
	case !ch.Announce:
		w.say("nothing goes out to members now")
	case ch.Rekeys():
		w.say("a rekey message with the new keys goes out now")
	default:
		w.say("no new keys; a rekey message goes out now")
	}
	if (ch.Policy || ch.Mode) && ch.In > 0 {
		w.p.Text[len(w.p.Text)-1] += fmt.Sprintf(", members act on it in %v", round(ch.In))
	}
	return w.p, nil
}

// PlanNew is the plan of a group that is not there yet.
func PlanNew(cfg Config) (Plan, error) {
	if err := cfg.Validate(); err != nil {
		return Plan{}, err
	}
	cfg = cfg.withDefaults()
	p := Plan{Group: cfg.Name, Action: Added, Rekeys: true, Is: cfg.AccessList().Digest()}
	p.Text = []string{"the group is new: its keys are made now, and members may register"}
	for _, s := range cfg.sas() {
		p.Lists = append(p.Lists, ListDiff{s.Name, policy.Diff(nil, s.Policy)})
	}
	return p, nil
}

// PlanRemoval is the plan of a group that the configuration no longer has.
func (g *Group) PlanRemoval() Plan {
	p := Plan{Group: g.cfg.Name, Action: Removed, Was: g.cfg.AccessList().Digest()}
	p.Text = []string{fmt.Sprintf("the group ends: its %d members are told that all keys are void, and what it protects fails closed or as they are configured", len(g.members.addresses()))}
	for _, s := range g.cfg.sas() {
		p.Lists = append(p.Lists, ListDiff{s.Name, policy.Diff(s.Policy, nil)})
	}
	return p
}

// planning is a Plan in the making.
type planning struct {
	g      *Group
	now    machine.Now
	is     Config
	atOnce bool
	ch     Change
	p      Plan
}

func (w *planning) say(format string, args ...any) {
	w.p.Text = append(w.p.Text, fmt.Sprintf(format, args...))
}

// sas compares the SAs, in the order of the new configuration, then those that go.
func (w *planning) sas() {
	was, is := w.g.cfg.sas(), w.is.sas()
	find := func(in []SAConfig, name string) *SAConfig {
		if i := slices.IndexFunc(in, func(s SAConfig) bool { return s.Name == name }); i >= 0 {
			return &in[i]
		}
		return nil
	}
	for i := range is {
		w.sa(find(was, is[i].Name), &is[i])
	}
	for i := range was {
		if find(is, was[i].Name) == nil {
			w.sa(&was[i], nil)
		}
	}
}

// title is what the plan calls an SA.
func title(s *SAConfig) string {
	if s.Name == "" {
		return "the group's SA"
	}
	return "SA " + s.Name
}

func (w *planning) sa(was, is *SAConfig) {
	fresh, dropped := w.chainsOf(was, is)
	switch {
	case was == nil:
		w.say("%s is new (%v): %s", title(is), is.TEK, w.makes(fresh))
		w.p.Lists = append(w.p.Lists, ListDiff{is.Name, policy.Diff(nil, is.Policy)})
		return
	case is == nil:
		w.say("%s is gone: %s", title(was), w.ends(dropped))
		w.p.Lists = append(w.p.Lists, ListDiff{was.Name, policy.Diff(was.Policy, nil)})
		return
	}
	var what []string
	if !was.Policy.Equal(is.Policy) {
		w.p.Lists = append(w.p.Lists, ListDiff{is.Name, policy.Diff(was.Policy, is.Policy)})
		what = append(what, "its access list changes")
	}
	if was.TEK != is.TEK {
		what = append(what, fmt.Sprintf("its suite changes from %v to %v", was.TEK, is.TEK))
	}
	if was.PerSelector != is.PerSelector {
		what = append(what, map[bool]string{true: "each selector gets an SPI of its own", false: "its selectors share one SPI"}[is.PerSelector])
	}
	if len(what) > 0 {
		text := strings.Join(what, ", ")
		switch {
		case len(fresh) > 0:
			text += ": " + w.makes(fresh)
		case w.returns(is):
			text += ": its former keys still live and are taken up again"
		}
		if len(dropped) > 0 {
			text += "; " + w.ends(dropped)
		}
		if len(fresh)+len(dropped) == 0 && !w.returns(is) {
			text += ", its keys stay"
		}
		w.say("%s: %s", title(is), text)
	}
	if was.Lifetime != is.Lifetime {
		w.lifetime(is, was.Lifetime, len(fresh) > 0)
	}
}

// chainsOf lists the chains that the SA gets, and those that it has and loses. One that is elsewhere in the other
// configuration is neither: it stays.
func (w *planning) chainsOf(was, is *SAConfig) (fresh, dropped []*chain) {
	want := w.is.chains()
	for _, c := range want {
		if is != nil && c.sa == is.Name && w.g.find(c) == nil {
			fresh = append(fresh, c)
		}
	}
	for _, c := range w.g.chains {
		if was != nil && c.sa == was.Name && !slices.ContainsFunc(want, c.same) {
			dropped = append(dropped, c)
		}
	}
	return fresh, dropped
}

// returns says whether the SA had been dropped, wholly or in part, and its keys have not ended yet.
func (w *planning) returns(is *SAConfig) bool {
	return slices.ContainsFunc(w.is.chains(), func(c *chain) bool {
		found := w.g.find(c)
		return c.sa == is.Name && found != nil && found.dropped
	})
}

// makes says what becomes of new chains.
func (w *planning) makes(fresh []*chain) string {
	when := fmt.Sprintf("sent with in %v", round(w.ch.In))
	if w.atOnce {
		when = "sent with as soon as a member has it"
	}
	switch len(fresh) {
	case 0:
		return "its keys stay"
	case 1:
		return "new TEK now, " + when
	default:
		return fmt.Sprintf("%d new TEKs now, %s", len(fresh), when)
	}
}

// ends says what becomes of chains that the policy no longer has.
func (w *planning) ends(dropped []*chain) string {
	var longest time.Duration
	n := 0
	for _, c := range dropped {
		for _, t := range w.g.of(c) {
			longest = max(longest, min(t.expires.Sub(w.now.Mono), drain(c, w.is.ActivationDelay)))
			n++
		}
	}
	what := "the old TEK"
	if n != 1 {
		what = fmt.Sprintf("%d old TEKs", n)
	}
	switch {
	case n == 0:
		return "it has no keys of its own"
	case w.atOnce && n == 1:
		return what + " ends at once, packets under way with it are lost"
	case w.atOnce:
		return what + " end at once, packets under way with them are lost"
	case n == 1:
		return fmt.Sprintf("%s lives %v", what, round(longest))
	default:
		return fmt.Sprintf("%s live %v at most", what, round(longest))
	}
}

// lifetime says when another lifetime takes effect.
func (w *planning) lifetime(s *SAConfig, was time.Duration, rekeys bool) {
	if rekeys {
		w.say("%s: lifetime %v instead of %v, with the new keys", title(s), s.Lifetime, was)
		return
	}
	var next machine.Next
	for _, c := range w.g.chains {
		if t := w.g.newest(c); t != nil && c.sa == s.Name {
			next.Add(w.g.rekeyAt(t.expires), true)
		}
	}
	w.say("%s: lifetime %v instead of %v; this does not rekey, it takes effect at the next rollover in %v",
		title(s), s.Lifetime, was, round(next.At.Sub(w.now.Mono)))
}

func (w *planning) kek() {
	a, b := &w.g.cfg, &w.is
	var what []string
	if a.KEK != b.KEK {
		what = append(what, fmt.Sprintf("suite %v instead of %v", b.KEK, a.KEK))
	}
	if a.SignKey != b.SignKey || a.SignHash != b.SignHash || a.SignForm != b.SignForm {
		what = append(what, fmt.Sprintf("rekeys are signed with %s %s instead of %s %s", b.SignKey, b.signed(), a.SignKey, a.signed()))
	}
	if a.Multicast != b.Multicast {
		what = append(what, fmt.Sprintf("rekeys go %s instead of %s", transport(b), transport(a)))
	}
	if a.Ack != b.Ack {
		what = append(what, "rekeys are acknowledged otherwise")
	}
	if w.ch.KEK && len(what) == 0 {
		what = append(what, "the public key of its signatures changes")
	}
	if a.KEKLifetime != b.KEKLifetime {
		what = append(what, fmt.Sprintf("lifetime %v instead of %v", b.KEKLifetime, a.KEKLifetime))
	}
	switch n := len(w.g.keks); {
	case len(what) == 0:
	case w.ch.KEK:
		w.say("KEK: %s: new KEK now", strings.Join(what, ", "))
	case n > 0:
		w.say("KEK: %s; this does not rekey, it takes effect with the next KEK in %v (sooner: rekey --kek)",
			strings.Join(what, ", "), round(w.g.rekeyAt(w.g.keks[n-1].expires).Sub(w.now.Mono)))
	}
}

// transport is where rekeys go.
func transport(c *Config) string {
	if c.multicast() {
		return "to " + c.Multicast.String()
	}
	return "to each member"
}

// maxNamed is how many members a plan names.
const maxNamed = 10

func (w *planning) members() {
	if slices.Equal(w.g.cfg.Authorise, w.is.Authorise) {
		return
	}
	var gone []string
	for _, p := range w.ch.Unauthorised {
		gone = append(gone, fmt.Sprintf("%s (%s)", p.Identity, p.Addr.Addr().Unmap()))
	}
	if len(gone) == 0 {
		w.say("other peers may register than before; all %d members stay", w.g.members.len())
		return
	}
	more := ""
	if len(gone) > maxNamed {
		more = fmt.Sprintf(" and %d more", len(gone)-maxNamed)
		gone = gone[:maxNamed]
	}
	w.say("members no longer authorised: %s%s; they cannot register again, and keep their keys until they are removed (remove-member)", strings.Join(gone, ", "), more)
}

func (w *planning) others() {
	a, b := &w.g.cfg, &w.is
	if a.Mode != b.Mode {
		text := fmt.Sprintf("mode %v instead of %v", b.Mode, a.Mode)
		if a.Mode != gdoi.ModePassive && b.Mode != gdoi.ModePassive {
			text += "; members change one after the other, and those in mode full drop what the others send in clear: apply passive first"
		}
		w.say("%s", text)
	}
	if a.ActivationDelay != b.ActivationDelay {
		w.say("activation-delay %v instead of %v, from the next rekey on", b.ActivationDelay, a.ActivationDelay)
	}
	if a.Retransmits != b.Retransmits {
		w.say("%d retransmits instead of %d, from the next rekey on", max(b.Retransmits, 0), max(a.Retransmits, 0))
	}
	if a.Retransmit != b.Retransmit {
		w.say("a repeat every %v instead of %v, from the next rekey on", b.Retransmit, a.Retransmit)
	}
	if a.SIDFirst != b.SIDFirst || a.SIDCount != b.SIDCount {
		w.say("sender ids %d to %d instead of %d to %d, for the next registrations", b.SIDFirst, b.SIDFirst+b.SIDCount-1, a.SIDFirst, a.SIDFirst+a.SIDCount-1)
	}
}

// round is for people.
func round(d time.Duration) time.Duration { return max(0, d.Round(time.Second)) }
