package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/node"
)

// Cooperation says with whom this key server runs its groups.
type Cooperation struct {
	ID       coop.ID
	Priority int // of groups that say nothing else
	Split    coop.Split
	Timers   coop.Timers
	Peers    []CoopPeer // by id
}

// CoopPeer is another key server.
type CoopPeer struct {
	ID       coop.ID
	Address  netip.AddrPort
	Identity string // of phase 1; empty: its address, or with a pre-shared key whatever the one with the key says
}

// Limits of the timers: faster than the fastest, a key server under load seems dead.
const (
	minCoopTimer   = 50 * time.Millisecond
	maxCoopRetries = 10
)

// profiles of the timers: what operators of existing products know, and one for networks that lose little and delay less.
var profiles = map[string]coop.Timers{"default": coop.DefaultTimers, "fast": coop.FastTimers}

// rareIDs is from where on an eighth of the sender ids is so few that a key server which lost its state cannot skip what it
// may have handed out, and waits until the keys of before have ended.
const rareIDs = 16

func (d *decoder) cooperation(v *value, c *KS) {
	o := &Cooperation{Priority: node.DefaultPriority, Timers: coop.DefaultTimers}
	profile := ""
	t, at := &o.Timers, v // at is where timers are said to be wrong: the later of those that are written, of which dead is the last
	timer := func(into *time.Duration) func(*value) {
		return func(v *value) {
			d.duration(into, minCoopTimer, coop.MaxInterval)(v)
			at = v
		}
	}
	d.object(v,
		must("id", d.coopID(&o.ID)),
		opt("priority", d.integer(&o.Priority, 1, node.MaxPriority)),
		opt("split", word(d, &o.Split, coop.ParseSplit)),
		opt("profile", func(v *value) {
			if d.oneOf(&profile, "default", "fast")(v); profile != "" {
				*t = profiles[profile]
			}
		}),
		opt("query", timer(&t.Query)), // these after the profile, which they change
		opt("announce", timer(&t.Announce)),
		opt("dead", timer(&t.Dead)),
		opt("retries", d.integer(&t.Retries, 1, maxCoopRetries)),
		must("peers", d.coopPeers(o, c)))
	if v.kind != mapping {
		return
	}
	if err := t.Validate(); err != nil {
		d.fail(at, "%s", trim(err))
	}
	c.Cooperation = o
}

// coopID is the number of a key server.
func (d *decoder) coopID(into *coop.ID) func(*value) {
	return func(v *value) {
		n := 0
		d.integer(&n, 1, coop.MaxKeyServers)(v)
		*into = coop.ID(n)
	}
}

func (d *decoder) coopPeers(o *Cooperation, c *KS) func(*value) {
	return func(v *value) {
		at := map[coop.ID]*value{}
		d.list(func(v *value) {
			var p CoopPeer
			d.object(v, must("id", d.coopID(&p.ID)), must("address", d.endpoint(&p.Address)), opt("identity", d.str(&p.Identity)))
			if v.kind != mapping || p.ID == 0 || !p.Address.IsValid() {
				return // reported
			}
			switch {
			case p.ID == o.ID:
				d.fail(v, "id %d is this key server's own; every key server has another, the same in all files", p.ID)
				return
			case at[p.ID] != nil:
				d.fail(v, "another peer has the id %d", p.ID)
				return
			case slices.ContainsFunc(o.Peers, func(x CoopPeer) bool { return x.Address.Addr() == p.Address.Addr() }):
				d.fail(v, "another peer has the address %s", p.Address.Addr())
				return
			}
			at[p.ID] = v
			o.Peers = append(o.Peers, p)
		})(v)
		if v.kind == sequence && len(v.items) == 0 {
			d.fail(v, "no peer; a key server that is alone has no cooperation")
		}
		slices.SortStableFunc(o.Peers, func(a, b CoopPeer) int { return int(a.ID) - int(b.ID) })
		for _, p := range o.Peers {
			d.coopPeer(at[p.ID], c, o, p)
		}
	}
}

// coopPeer looks at where a peer is, and at what proves that it is the one: a peer is told all keys.
func (d *decoder) coopPeer(v *value, c *KS, o *Cooperation, p CoopPeer) {
	a := p.Address.Addr().Unmap()
	if slices.Contains(c.own(), a) {
		d.fail(v, "%s is this key server itself", a)
	}
	if len(c.Listen) > 0 && !c.Listen.Of(a).IsValid() {
		d.fail(v, "%s cannot be reached: this key server listens on %s only", a, c.Listen)
	}
	k := PSKOf(c.PSKs, a)
	switch {
	case k == nil && c.Certificates == nil:
		d.fail(v, "there is no pre-shared key for %s; add one to pre-shared-keys, peer: %s", a, a)
	case k != nil && !k.Peer.IsSingleIP():
		d.warn(v, "key server %d has the pre-shared key of all of %s: whoever else has it could pass for it, and a key server is told all keys; give it one of its own, peer: %s",
			p.ID, k.Peer, a)
	case k != nil && c.sharedWithMembers(k, o):
		d.warn(v, "key server %d has the same pre-shared key as others, which could pass for it, and a key server is told all keys; give it one of its own", p.ID)
	}
	if c.Certificates != nil && p.Identity == "" {
		d.hints = append(d.hints, fmt.Sprintf("%s:%d:%d: key server %d is the one whose certificate has the address %s, and which has it as its identity; write identity: if it has another, a name or its subject",
			d.file, v.line, v.col, p.ID, a))
	}
}

// sharedWithMembers says whether somebody who is no key server has the same pre-shared key.
func (c *KS) sharedWithMembers(k *PSK, o *Cooperation) bool {
	return slices.ContainsFunc(c.PSKs, func(other PSK) bool {
		server := slices.ContainsFunc(o.Peers, func(p CoopPeer) bool {
			return other.Peer.IsSingleIP() && other.Peer.Contains(p.Address.Addr().Unmap())
		})
		return !server && other.Secret.Equal(k.Secret)
	})
}

// cooperative checks a group beside the cooperation.
func (d *decoder) cooperative(v *value, c *KS, g *KSGroup, priorityAt *value) {
	o := c.Cooperation
	if o == nil {
		if priorityAt != nil {
			d.fail(priorityAt, "priority is for elections among key servers, and there is no cooperation here")
		}
		return
	}
	if g.Priority == 0 {
		g.Priority = o.Priority
	}
	if a := g.Rekey.ActivationDelay; a != unread && o.Timers.Detection() > 2*a {
		d.warn(v, "a primary that dies is noticed after %s, and a key that was due then is replaced in a hurry or too late: activation-delay is %s; make it at least %s, or the cooperation faster (profile: fast)",
			short(o.Timers.Detection()), short(a), short((o.Timers.Detection()/2 + time.Second - 1).Truncate(time.Second)))
	}
	if g.SenderIDs.Bits < rareIDs {
		d.warn(v, "sender ids of %d bits, divided among %d key servers, leave each %d; a key server that lost its state registers nobody until the keys of before have ended; use 24 bits",
			g.SenderIDs.Bits, coop.MaxKeyServers, g.SenderIDs.total()/coop.MaxKeyServers)
	}
	if g.SenderIDs.KSSIDBits > 0 {
		d.warn(v, "kssids must be the same on all key servers of a cooperation, which divide them by their ids; leave kssid-bits and kssids out, unless key servers outside it give sender ids too")
	}
}

// total is how many sender ids there are.
func (s SenderIDs) total() uint64 {
	if s.Count != 0 {
		return uint64(s.Count)
	}
	return 1<<s.Bits - uint64(s.First)
}

// String is the flow mapping of the file, without the priority: each group shows its own, which can change while it runs.
func (o *Cooperation) String() string {
	var peers []string
	for _, p := range o.Peers {
		s := fmt.Sprintf("{id: %d, address: %s", p.ID, p.Address)
		if p.Identity != "" {
			s += ", identity: " + p.Identity
		}
		peers = append(peers, s+"}")
	}
	return fmt.Sprintf("{id: %d, split: %s, profile: %s, announce: %s, dead: %s, query: %s, retries: %d, peers: [%s]}",
		o.ID, o.Split, o.Timers.Profile(), short(o.Timers.Announce), short(o.Timers.Dead), short(o.Timers.Query), o.Timers.Retries, strings.Join(peers, ", "))
}
