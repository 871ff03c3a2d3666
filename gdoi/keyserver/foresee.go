package keyserver

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// What an operator asks for can be foreseen: what would be done, or why it would be refused now. The conditions are those that
// the commands themselves go by; nothing changes, no randomness is drawn and nobody is asked. What only the attempt can tell,
// the answer of the key custody for one, is said beside it.

// Foresight is what is known of a command before it is carried out.
type Foresight struct {
	Text string
	// Unforeseen is why it may be refused all the same; empty: it would not be, if it came now.
	Unforeseen string
}

// needsCustody is said of what takes the value of a KEK that is in the custody alone.
const needsCustody = "the key custody must give out the next KEK first; if it does not, the members stay"

// memberNamed finds a member by address or identity.
func (g *Group) memberNamed(who string) (*member, error) {
	if m := g.members.find(who); m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("group %s has no member %q; see the list of members for addresses and identities", g.cfg.Name, who)
}

// present counts the members that keys go to, but for some: those that have left, or wait to be excluded, are on the list without
// getting any.
func (g *Group) present(but []*member) (n int) {
	for _, m := range g.members.sorted {
		if !m.left && !g.shunned(m) && !slices.Contains(but, m) {
			n++
		}
	}
	return n
}

// clearable finds the member that Clear is about.
func (g *Group) clearable(who string) (*member, error) {
	if err := g.commanded(); err != nil {
		return nil, err
	}
	return g.memberNamed(who)
}

// readmissible says why Readmit is refused.
func (g *Group) readmissible(who string) error {
	if err := g.commanded(); err != nil {
		return err
	}
	for _, r := range g.removed {
		if r.peer.is(who) {
			return nil
		}
	}
	return fmt.Errorf("group %s has not removed %q; see its list of removed members", g.cfg.Name, who)
}

// allClearable says why ClearAll is refused.
func (g *Group) allClearable(now machine.Now, atOnce bool) error {
	if err := cmp.Or(g.commanded(), g.onSchedule(), g.renewable()); err != nil || atOnce {
		return err
	}
	return g.room(now)
}

// ForeseeRekey is Rekey's.
func (g *Group) ForeseeRekey(now machine.Now, kek bool) (Foresight, error) {
	err := g.rekeyable(now)
	if kek {
		err = cmp.Or(err, g.renewable())
	}
	if err != nil {
		return Foresight{}, err
	}
	var text []string
	for _, c := range g.chains {
		text = append(text, "a new "+c.title())
	}
	if kek {
		text = append(text, "a new KEK")
	}
	return Foresight{Text: fmt.Sprintf("%s for %d members; old keys end through an ordinary rollover, in %v at most", strings.Join(text, ", "), g.present(nil), 4*g.cfg.ActivationDelay)}, nil
}

// ForeseeClear is Clear's.
func (g *Group) ForeseeClear(who string) (Foresight, error) {
	m, err := g.clearable(who)
	if err != nil {
		return Foresight{}, err
	}
	return Foresight{Text: fmt.Sprintf("%s at %v would be taken off the list, and would have to register again", m.peer.Identity, m.peer.Addr)}, nil
}

// ForeseeRemove is Remove's.
func (g *Group) ForeseeRemove(now machine.Now, who []string, atOnce bool) (f Foresight, _ error) {
	err := g.commanded()
	if g.cfg.Custody {
		f.Unforeseen, err = needsCustody, cmp.Or(err, g.renewable())
	}
	if err != nil {
		return Foresight{}, err
	}
	gone, err := g.removable(now, who, atOnce)
	if err != nil {
		return Foresight{}, err
	}
	var names []string
	for _, m := range gone {
		names = append(names, m.peer.Identity)
	}
	how := "old TEKs end through a rollover"
	if atOnce {
		how = "old TEKs end at once, and packets under way are lost"
	}
	f.Text = fmt.Sprintf("%s would be removed and refused from then on; %d others would get a new KEK and new TEKs; %s", strings.Join(names, ", "), g.present(gone), how)
	return f, nil
}

// ForeseeReadmit is Readmit's.
func (g *Group) ForeseeReadmit(who string) (Foresight, error) {
	if err := g.readmissible(who); err != nil {
		return Foresight{}, err
	}
	return Foresight{Text: who + " could register again"}, nil
}

// ForeseeClearAll is ClearAll's.
func (g *Group) ForeseeClearAll(now machine.Now, atOnce bool) (Foresight, error) {
	if err := g.allClearable(now, atOnce); err != nil {
		return Foresight{}, err
	}
	text := fmt.Sprintf("all %d members would register again, and keep their keys for %v meanwhile", g.present(nil), 4*g.cfg.ActivationDelay)
	if atOnce {
		text = fmt.Sprintf("all keys would be withdrawn at once; %d members would have to register again, and have no traffic until then", g.present(nil))
	}
	return Foresight{Text: text}, nil
}

// ForeseeRotate is Rotate's, with a key of that name, which need not be there yet.
func (g *Group) ForeseeRotate(key string) (Foresight, error) {
	if err := g.Rotatable(); err != nil {
		return Foresight{}, err
	}
	text := fmt.Sprintf("%s would sign at once, with a new KEK, and %s be destroyed when the last KEK that it signs has ended", key, g.cfg.SignKey)
	if !g.Active() {
		text = fmt.Sprintf("%s would sign instead of %s when the members trust it", key, g.cfg.SignKey)
	}
	return Foresight{Text: text, Unforeseen: fmt.Sprintf("the key custody must have the key %s, or make it", key)}, nil
}
