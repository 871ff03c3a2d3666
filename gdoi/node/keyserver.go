package node

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// KeyServer is a key server process. It implements machine.Machine.
type KeyServer struct {
	env    *machine.Env
	cfg    KSConfig
	limits Limits
	groups []*keyserver.Group
	// leaving are groups that were removed and still tell their members.
	leaving []*keyserver.Group
	// orphans are records of groups that are not configured, without their values, by bucket.
	orphans map[string][]machine.Record
	stored  []machine.Record // until the start
	custody string           // why the key custody is gone; empty: it is there
	// storedSPIs are those of all groups: each is in use until its group has started and can say so itself.
	storedSPIs map[gdoi.SPI]bool

	started, stopped bool

	sessions    map[cookies]*session
	halfOpen    halfOpen
	cookies     cookieJar
	byPeer      map[netip.Addr][]*session // established, oldest first
	established int
	deadlines   machine.Deadlines[*session]
	unwritten   map[machine.PersistID]*session
	signing     map[machine.OpID]*session // negotiations that wait for the custody; half-open until then
	fragments   int                       // octets of incomplete phase-1 messages
	drops       dropCounter
	peers       []*ksPeer // other key servers of the groups, by id
	cells       []*cell   // cooperation over groups, in their order
	held        []*heldAnswer
	asked       []*askedCommand
	writes      []*unanswered
}

var _ machine.Machine = (*KeyServer)(nil)

// NewKeyServer prepares a key server. stored is what earlier Persist effects wrote, in any order; nil for a fresh start.
// The key server takes it over and wipes its values, which hold keys.
func NewKeyServer(env *machine.Env, cfg KSConfig, stored []machine.Record) (*KeyServer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &KeyServer{
		env: env, cfg: cfg, limits: cfg.Limits.withDefaults(), stored: stored,
		sessions: map[cookies]*session{}, halfOpen: newHalfOpen(), byPeer: map[netip.Addr][]*session{},
		unwritten: map[machine.PersistID]*session{}, signing: map[machine.OpID]*session{}, drops: newDropCounter(),
		storedSPIs: map[gdoi.SPI]bool{},
	}
	n.cookies = newCookieJar(env, &n.cfg.Phase1)
	n.peers = newPeers(env, cfg.Coop)
	for _, spi := range keyserver.StoredSPIs(stored) {
		n.storedSPIs[spi] = true
	}
	for _, c := range cfg.Groups {
		c = n.shared(c)
		g, err := keyserver.New(env, c, cfg.locals())
		if err != nil {
			return nil, err
		}
		n.groups = append(n.groups, g)
	}
	return n, nil
}

// Deadline implements machine.Machine.
func (n *KeyServer) Deadline() (machine.Instant, bool) {
	if n.stopped {
		return 0, false
	}
	if !n.started {
		return immediately, true
	}
	var d machine.Next
	d.Add(n.deadlines.Next())
	for _, p := range n.peers {
		d.Add(p.deadline(), true)
	}
	d.Add(n.coopDeadline())
	for _, g := range n.living() {
		d.Add(g.Deadline())
	}
	return d.At, d.OK
}

// Step implements machine.Machine.
func (n *KeyServer) Step(now machine.Now, ev machine.Event, out machine.Effects) machine.Effects {
	if n.stopped {
		if done, ok := ev.(machine.KeyDone); ok {
			clear(done.Data) // it may be a KEK
		}
		return out
	}
	if !n.started {
		n.started = true
		for i, g := range n.groups {
			out = g.Start(now, n.stored, out)
			out = n.newCell(now, g, &n.cfg.Groups[i], n.stored, out)
		}
		n.orphans = orphaned(n.stored, n.cfg.Groups)
		for _, r := range n.stored {
			clear(r.Value)
		}
		n.stored, n.storedSPIs = nil, nil
		out, _ = n.excludeRevoked(now, out) // by a list that came while it was down
		out = n.startPeers(now, out)
	}
	from := len(out)
	out = n.wake(now, out)
	if out = n.handle(now, ev, out); n.stopped {
		return out
	}
	out = n.passOn(now, out)
	n.noteWrites(now, out[from:])
	return out
}

// handle finds the part that an event is for.
func (n *KeyServer) handle(now machine.Now, ev machine.Event, out machine.Effects) machine.Effects {
	switch ev := ev.(type) {
	case machine.Datagram:
		return n.datagram(now, ev, out)
	case machine.Timeout:
		return n.timeout(now, out)
	case machine.Persisted:
		return n.persisted(now, ev, out)
	case machine.Signed:
		if s := n.signing[ev.ID]; s != nil {
			return n.phase1Signed(now, s, ev, out)
		}
		for _, g := range n.living() {
			var mine bool
			if out, mine = g.Signed(now, ev, out); mine {
				break
			}
		}
		return out
	case machine.KeyDone:
		return n.keyDone(now, ev, out)
	case machine.CustodyState:
		return n.custodyState(now, ev, out)
	case gdoi.CmdRekey:
		if k := n.asks(ev); k != nil {
			return n.ask(now, k, ev, out)
		}
		return n.command(now, ev, out)
	default:
		return n.command(now, ev, out)
	}
}

// spiInUse says whether any group has a TEK with this SPI.
func (n *KeyServer) spiInUse(s gdoi.SPI) bool {
	return n.storedSPIs[s] || slices.ContainsFunc(n.living(), func(g *keyserver.Group) bool { return g.HasSPI(s) })
}

func (n *KeyServer) timeout(now machine.Now, out machine.Effects) machine.Effects {
	for {
		s, ok := n.deadlines.PopDue(now.Mono)
		if !ok {
			break
		}
		out = n.sessionTimeout(now, s, out)
	}
	out = n.peersTimeout(now, out)
	out = n.coopTimeout(now, out)
	for _, g := range n.living() {
		if at, ok := g.Deadline(); ok && at <= now.Mono {
			out = g.Timeout(now, out)
		}
	}
	return n.buryGroups(out)
}

// persisted tells the group. An answer that waited for a failed write is never sent, so its exchange ends, and the
// member starts another.
func (n *KeyServer) persisted(now machine.Now, ev machine.Persisted, out machine.Effects) machine.Effects {
	for _, g := range n.living() {
		var mine bool
		if out, mine = g.Persisted(now, ev, out); mine {
			if k := n.cell(g); k != nil {
				out = k.Stored(now, ev.Err, out)
			}
			break
		}
	}
	n.answeredWrite(ev.ID)
	for _, k := range n.cells {
		out = k.Persisted(now, ev, out)
	}
	if s := n.unwritten[ev.ID]; s != nil {
		delete(n.unwritten, ev.ID)
		if ev.Err != nil {
			s.endExchanges(func(x *exchange) bool { return x.after == ev.ID })
		}
	}
	return out
}

func (n *KeyServer) command(now machine.Now, ev machine.Event, out machine.Effects) machine.Effects {
	if id, group := primaryOnly(ev); group != "" {
		if text := n.notPrimary(group); text != "" {
			return append(out, gdoi.CommandResult{ID: id, Err: text})
		}
	}
	switch c := ev.(type) {
	case gdoi.CmdHandover:
		return n.handover(now, c, out)
	case gdoi.CmdRotate:
		return n.rotate(now, c, out)
	case gdoi.CmdRekey:
		g := n.group(c.Group)
		if g == nil {
			return append(out, noGroup(c.ID, c.Group))
		}
		text, out, err := g.Rekey(now, c.KEK, out)
		if err != nil {
			return append(out, gdoi.CommandResult{ID: c.ID, Err: err.Error()})
		}
		return append(out, gdoi.CommandResult{ID: c.ID, Text: text})
	case gdoi.CmdClearMember:
		return n.clearMember(now, c, out)
	case Reconfigure:
		return n.reconfigure(now, c, out)
	case gdoi.CmdRemoveMember, gdoi.CmdReadmit, gdoi.CmdClearMembers:
		return n.membership(now, c, out)
	case Recertify:
		return n.trust(now, c, out)
	case gdoi.CmdStop:
		return append(n.stop(now, out), gdoi.CommandResult{ID: c.ID, Text: "stopped"})
	case gdoi.CmdReregister:
		return append(out, gdoi.CommandResult{ID: c.ID, Err: notMember})
	}
	return out
}

// stop ends all sessions and wipes every key. What was written stays: the next start goes on from it.
func (n *KeyServer) stop(now machine.Now, out machine.Effects) machine.Effects {
	for _, k := range n.cells {
		out = k.Resign(now, out)
	}
	n.stopped = true
	for _, peer := range sortedAddrs(n.byPeer) {
		for _, s := range n.byPeer[peer] {
			out = s.ike.Delete(now, out)
		}
	}
	for _, s := range n.sessions {
		n.remove(s)
	}
	clear(n.unwritten)
	for _, g := range n.living() {
		g.Stop()
	}
	return out
}

func (n *KeyServer) clearMember(now machine.Now, c gdoi.CmdClearMember, out machine.Effects) machine.Effects {
	g := n.group(c.Group)
	if g == nil {
		return append(out, noGroup(c.ID, c.Group))
	}
	addr, keks, out, err := g.Clear(now, c.Member, out)
	if err != nil {
		return append(out, gdoi.CommandResult{ID: c.ID, Err: err.Error()})
	}
	text := fmt.Sprintf("%s is off the list; it has no session, so it learns that when it misses a rekey", addr)
	for _, s := range n.byPeer[addr.Addr()] {
		if s.ike.Remote() == addr {
			// Under phase 1 and not as a PUSH: everybody who holds the KEK would obey a PUSH that is replayed to him.
			for _, spi := range keks {
				out = s.ike.Informational(out, push.DeleteKEK(spi))
			}
			text = fmt.Sprintf("%s is off the list and was told to register again", addr)
		}
	}
	return append(out, gdoi.CommandResult{ID: c.ID, Text: text})
}

func (n *KeyServer) group(name string) *keyserver.Group {
	for _, g := range n.groups {
		if g.Name() == name {
			return g
		}
	}
	return nil
}

func noGroup(id uint64, name string) gdoi.CommandResult {
	return gdoi.CommandResult{ID: id, Err: fmt.Sprintf("no group %q here; see the snapshot for names", name)}
}
