package keyserver

import (
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Group is one group on its key server.
type Group struct {
	env    *machine.Env
	cfg    Config
	locals machine.Locals
	public *suite.SignatureKey
	digest [32]byte // of the policy; zero: not known

	keks []*kek // alive, oldest first
	// teks are those of all chains, in the order in which they were made.
	teks []*tek
	// chains are what the policy asks for, in its order; TEKs of others are being dropped.
	chains []*chain
	epoch  uint64
	// ratchets by context; schedule.go.
	ratchets map[string]*ratchet
	past     past                       // of several key servers
	merging  *merging                   // nil: nothing is foreign
	met      map[uint64]machine.Instant // when states of a reign came last
	spis     spiWalk
	// retiredSPIs are the last ones, oldest first.
	retiredSPIs []gdoi.SPI
	// sidNext is the next sender id to hand out.
	sidNext uint64
	// version changes whenever the set of keys does; a registration that spans a change must start again.
	version uint64
	// policyAt is when the access list and the mode come, or came, into force; again when they are announced once more
	// before that.
	policyAt machine.Instant
	again    machine.Timer
	told     bool        // the records say the same
	former   pull.Former // in force until policyAt

	time pseudotime

	members    memberList
	tree       keyTree
	sids       senderIDs
	removed    []*removal // sorted by key
	exclusion  *exclusion // nil: none is under way
	pacing     pacing
	deliveries []*delivery
	campaigns  []*campaign // oldest first
	durable    durable
	replica    replica
	custody    custody
	signer     signer

	started       bool
	withdrawn     bool
	lastRekey     machine.Instant
	rekeysSent    uint64
	course        *course // of the last PUSH; nil: none since start
	registrations uint64
	resets        uint64
	ejected       uint64
}

// New prepares a group; Start begins its life.
func New(env *machine.Env, cfg Config, locals machine.Locals) (*Group, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.effective()
	public, err := suite.ParseSignatureKey(cfg.SignPublic)
	if err != nil {
		return nil, fmt.Errorf("%w %q: signature key: %w", ErrConfig, cfg.Name, err)
	}
	g := &Group{env: env, tree: keyTree{Tree: lkh.New(env, cfg.KEK, 0)}, cfg: cfg, locals: locals, public: public, chains: cfg.chains(), sidNext: cfg.SIDFirst}
	g.replica.standby = cfg.Coop != nil
	return g, nil
}

// Name is the configured name.
func (g *Group) Name() string { return g.cfg.Name }

// ID is what members ask for.
func (g *Group) ID() gdoi.GroupID { return g.cfg.ID }

// Version changes whenever the set of keys does.
func (g *Group) Version() uint64 { return g.version }

// Start takes up the group from its records, or afresh. Of several key servers everybody starts as a copy: see TakeOver.
func (g *Group) Start(now machine.Now, stored []machine.Record, out machine.Effects) machine.Effects {
	g.started = true
	g.restoreSigner(now, stored)
	found, err := g.restore(now, stored)
	if err != nil {
		out = append(out, g.note(gdoi.NoteStateDiscarded, machine.Error, "stored state is unusable and was discarded: "+err.Error()))
		out = g.discard(stored, out)
	}
	if g.replica.standby {
		return g.prepareSpare(now, g.startStandby(now, found, out))
	}
	text := "started with fresh keys"
	if found {
		text = fmt.Sprintf("started with stored keys, %d members", g.members.len())
	}
	out = append(out, g.note(gdoi.NoteKSStarted, machine.Info, text))
	if found {
		return g.prepareSpare(now, g.resume(now, out))
	}
	return g.begin(now, out)
}

// begin makes the first keys, when there is a KEK among them.
func (g *Group) begin(now machine.Now, out machine.Effects) machine.Effects {
	if !g.spareReady() {
		return g.prepareSpare(now, out)
	}
	if g.spis == (spiWalk{}) {
		g.spis = newSPIWalk(g.env)
	}
	g.beginTime(now, true)
	g.timeTold(now)
	g.durable.policy = true
	out = g.newKEK(now, out)
	for _, c := range g.chains {
		out = g.newTEK(now, c, out)
	}
	out, _ = g.persist(now, out)
	return out
}

// resume goes on after a restart. Keys that ran out meanwhile are replaced, and since nobody knows who has heard of the
// newest ones, they are announced again.
func (g *Group) resume(now machine.Now, out machine.Effects) machine.Effects {
	g.beginTime(now, false)
	g.endTime()
	g.newPolicy(now)
	out = g.retire(now, out)
	kek := len(g.keks) == 0
	var gone []*member
	for _, m := range g.members.sorted {
		if !g.cfg.Authorise.Allows(m.peer.policyPeer()) || g.cfg.Custody && g.removalOf(m.key) != nil {
			n := g.note(gdoi.NoteNotAuthorised, machine.Warning, fmt.Sprintf("%s is no longer authorised and must leave the group", m.peer.Identity))
			n.Peer, n.Reason = m.peer.Addr.String(), "not-authorised"
			gone, out = append(gone, m), append(out, n)
		}
	}
	if kek {
		// Nobody on the list can read a PUSH any more.
		gone, out = nil, g.dropAllMembers(out)
	}
	g.giveTime(now)
	if len(gone) > 0 {
		_, out = g.exclude(now, gone, false, out)
		if g.mayExclude() {
			return out
		}
	}
	r := g.due(now)
	// Another transport comes with another KEK: those who hold this one listen elsewhere. So does another place to keep it in.
	r.kek = r.kek || kek || g.keks[len(g.keks)-1].dst != g.cfg.Multicast || g.misplaced()
	if r.kek && !g.spareReady() {
		r.kek, g.custody.owed = false, true
	}
	return g.announceAgain(now, r, out)
}

// giveTime gives those who have not heard of the newest TEKs time to.
func (g *Group) giveTime(now machine.Now) {
	for _, c := range g.chains {
		if of := g.of(c); len(of) > 1 {
			t, old := of[len(of)-1], of[len(of)-2]
			t.sendAfter = max(t.sendAfter, now.Mono.Add(g.activation(old.expires.Sub(now.Mono))))
			g.durable.tek(t)
		}
	}
}

// Deadline says when Timeout wants to be called.
func (g *Group) Deadline() (machine.Instant, bool) {
	var n machine.Next
	if !g.started {
		return 0, false
	}
	for _, k := range g.keks {
		n.Add(g.endOf(k), true)
	}
	for _, t := range g.teks {
		n.Add(t.expires, true)
	}
	n.Add(g.durable.retry.Deadline())
	n.Add(g.custodyDeadline())
	n.Add(g.rotationDeadline())
	if g.replica.standby {
		return n.At, n.OK
	}
	if k := len(g.keks); k > 0 && g.spareReady() {
		n.Add(g.rekeyAt(g.keks[k-1].expires), true)
		n.Add(0, g.spent(g.keks[k-1]))
	}
	for _, c := range g.chains {
		if t := g.newest(c); t != nil && !g.custodyGone() {
			n.Add(g.rekeyAt(t.expires), true)
		}
	}
	for _, d := range g.deliveries {
		n.Add(d.deadline())
	}
	for _, c := range g.campaigns {
		n.Add(c.end.Deadline())
	}
	n.Add(g.members.expiry.Deadline())
	n.Add(g.again.Deadline())
	n.Add(g.replica.formersEnd.Deadline())
	n.Add(g.time.again.Deadline())
	if x := g.exclusion; x != nil {
		if at, waiting := x.second.Deadline(); waiting { // and it does not end before that
			n.Add(at, true)
		} else {
			n.Add(x.until, true)
		}
	}
	return n.At, n.OK
}

// Timeout does what is due.
func (g *Group) Timeout(now machine.Now, out machine.Effects) machine.Effects {
	if !g.started {
		return out
	}
	if g.replica.standby {
		return g.timeoutStandby(now, out)
	}
	out = g.retire(now, out)
	out = g.custodyTimeout(now, out)
	if r := g.due(now); r.any() && !g.withdrawn {
		out = g.rekey(now, r, out)
	}
	if g.again.Due(now.Mono) {
		out = g.repeatPolicy(now, out)
	}
	out = g.tellTime(now, out)
	out = g.deliver(now, out)
	out = g.followExclusion(now, out)
	out = g.judge(now, out)
	out = g.expireMembers(now, out)
	if g.durable.retry.Due(now.Mono) {
		out = g.persistAll(now, out)
	}
	out = g.endFormers(now, out)
	return g.followRotation(now, g.flush(now, out))
}

// rekeyAt is T0 for a key that ends at end.
func (g *Group) rekeyAt(end machine.Instant) machine.Instant {
	return end.Add(-4 * g.cfg.ActivationDelay)
}

// activation is the time until everybody may send with a new TEK, given what is left of the old one.
func (g *Group) activation(left time.Duration) time.Duration {
	return max(0, min(2*g.cfg.ActivationDelay, left/2))
}

// due says which keys must be replaced now. What needs the custody waits for it: new keys that cannot be told are none.
func (g *Group) due(now machine.Now) (r rekeying) {
	if g.unbegun() || g.custodyGone() {
		return r
	}
	for _, c := range g.chains {
		if t := g.newest(c); t == nil || now.Mono >= g.rekeyAt(t.expires) {
			r.chains = append(r.chains, c)
		}
	}
	n := len(g.keks)
	r.kek = g.spareReady() && (n == 0 || now.Mono >= g.rekeyAt(g.keks[n-1].expires) || g.spent(g.keks[n-1]) || g.custody.owed)
	return r
}

func (g *Group) note(name string, s machine.Severity, text string, fields ...machine.Field) machine.Note {
	return machine.Note{Name: name, Severity: s, Group: g.cfg.Name, Text: text, Fields: fields}
}

func (g *Group) problems() []string {
	var p []string
	if g.durable.failing {
		p = append(p, "state cannot be written: no registration or rekey goes out until it can")
	}
	if text := g.sidProblem(); text != "" {
		p = append(p, text)
	}
	if text := g.custodyProblem(); text != "" {
		p = append(p, text)
	}
	if text := g.recutProblem(); text != "" {
		p = append(p, text)
	}
	for _, d := range g.deliveries {
		if d.failed != "" && d.custodyStage() {
			p = append(p, "a rekey waits for the key custody: "+d.failed)
			break
		}
		if d.failed != "" {
			p = append(p, "the key custody does not sign: "+d.failed)
			break
		}
	}
	return p
}

// signing is how a new KEK signs.
func (g *Group) signing() signing { return g.signingUnder(g.cfg.SignHash) }

// signingUnder is how we sign under a KEK whose SAK says a hash.
func (g *Group) signingUnder(hash machine.Hash) signing {
	return signing{g.cfg.SignKey, g.public.Hash(hash), g.cfg.SignPublic, g.public}
}
