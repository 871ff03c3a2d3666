package member

import (
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Sessions are the phase-1 SAs of the node, shared by its groups.
type Sessions interface {
	// Session returns the established SA with a key server. Without one it negotiates one and returns nil; then
	// Connected or ConnectFailed follows, not before Session has returned.
	Session(now machine.Now, ks netip.AddrPort, out machine.Effects) (*ike1.Session, machine.Effects)
	// Forget drops an SA that its key server seems to have forgotten. All groups that use it hear of that by Forgotten.
	Forget(now machine.Now, s *ike1.Session, out machine.Effects) machine.Effects
}

// Group is one group on a member.
type Group struct {
	env      *machine.Env
	cfg      Config
	sessions Sessions

	state       State
	reason      string
	authFailure string
	unsigned    bool // the last failure was our key custody's

	// Registration.
	servers    servers
	waits      waits
	failures   int           // since the last success
	given      time.Duration // how much time the key server in use has
	impatient  machine.Timer // the key server in use does not answer, and there are others
	cause      cause
	attempt    machine.Timer // when the next attempt begins
	connecting bool          // waiting for phase 1
	exchange   *pull.Initiator
	session    *ike1.Session // of exchange
	patience   machine.Timer // for an exchange over a kept session
	withdraw   machine.Timer // the key server took us off its list: when to give up our keys

	registeredWith          netip.AddrPort
	rekeyedBy               netip.AddrPort // where the last rekey came from
	registeredAt, lastRekey machine.Instant
	attempts, registrations uint64
	rekeys, rekeysSince     uint64        // since start; since the last registration
	renewal                 machine.Timer // register again, unless a rekey comes
	renewalCause            cause
	alarm                   alarm

	// Keys.
	base      time.Duration // A
	keks      []*kek        // oldest first
	kekLife   time.Duration // the longest seen: the lifetime of a new KEK
	trusted   []*suite.SignatureKey
	seen      map[string]netip.AddrPort // by DER of those: where the last rekey signed with it came from, for operators
	path      *lkh.Path                 // in the key tree; nil: none
	lostKEKs  []gdoi.KEKSPI             // the last ones
	withdrawn []endedKEK                // the last ones that a rekey deleted
	doubted   int                       // registrations in a row that brought one of those
	teks      []*tek                    // oldest first
	epoch     uint64
	sending   map[int]gdoi.SPI // by class, of those that the access list in force uses
	retired   []gdoi.SPI       // the last ones
	sidBits   int
	sids      []gdoi.SID
	classes   classes
	policies  policies
	told      *gdoi.SetPolicy // the last
	clock     clock
	acks      acks
	joined    []netip.AddrPort // multicast groups
}

// cause is why a registration is tried.
type cause uint8

const (
	causeFirst cause = iota
	causeMissed
	causeOld
	causeDeleted
	causeCleared
	causeOperator
	causeCounters
	causeUnknownSPI
	causeUnreadable
	causePolicy
	causeUnknownKEK
	causeUnknownSigner
	causeTime
	causeOutOfTime
)

var causeTexts = [...]string{
	causeFirst:         "first registration",
	causeMissed:        "a rekey was due and did not come",
	causeOld:           "the registration grows old",
	causeDeleted:       "the key server withdrew the keys",
	causeCleared:       "the key server took this member off its list",
	causeOperator:      "operator's command",
	causeCounters:      "the data plane runs out of IVs",
	causeUnknownSPI:    "traffic arrives under a key that this member does not have",
	causeUnknownKEK:    "a rekey came under a KEK that this member does not have",
	causeUnknownSigner: "a rekey came that is signed by no key which this member trusts",
	causeUnreadable:    "a genuine rekey could not be used",
	causeTime:          "only a registration tells the time of the group",
	causeOutOfTime:     "all packets that arrive are out of time",
	causePolicy:        "the policy has changed, and the rekey could not say how",
}

// lacks says whether others have keys that this member does not have.
func (c cause) lacks() bool {
	switch c {
	case causeMissed, causeDeleted, causeCleared, causeUnknownSPI, causeUnknownKEK, causeUnknownSigner, causeUnreadable, causePolicy:
		return true
	}
	return false
}

func (c cause) String() string { return causeTexts[c] }

// New prepares a group; Start begins.
func New(env *machine.Env, cfg Config, sessions Sessions) (*Group, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Group{env: env, cfg: cfg, sessions: sessions, servers: servers{list: cfg.KeyServers}, base: maxBase}, nil
}

// Name is the configured name.
func (g *Group) Name() string { return g.cfg.Name }

// Start fails closed and begins to register.
func (g *Group) Start(now machine.Now, out machine.Effects) machine.Effects {
	g.attempt.Set(now.Mono)
	return g.publish(now, out)
}

// Deadline says when Timeout wants to be called.
func (g *Group) Deadline() (machine.Instant, bool) {
	var n machine.Next
	n.Add(g.attempt.Deadline())
	n.Add(g.patience.Deadline())
	n.Add(g.impatient.Deadline())
	n.Add(g.withdraw.Deadline())
	n.Add(g.renewal.Deadline())
	n.Add(g.policies.nextAt.Deadline())
	n.Add(g.policies.until.Deadline())
	n.Add(g.acks.deadline())
	if g.exchange != nil {
		n.Add(g.exchange.Deadline())
	}
	for _, k := range g.keks {
		n.Add(k.expires, true)
	}
	for _, t := range g.teks {
		n.Add(t.expires, true)
		if t.waiting {
			n.Add(t.sendAfter, true)
		}
	}
	return n.At, n.OK
}

// Timeout does what is due.
func (g *Group) Timeout(now machine.Now, out machine.Effects) machine.Effects {
	out = g.acks.flush(now, g.syncMulticast(g.age(now, out)))
	if g.withdraw.Due(now.Mono) {
		out = g.retireAll(now, "cleared", out)
	}
	if g.patience.Due(now.Mono) {
		out = g.staleSession(now, out)
	}
	if g.impatient.Due(now.Mono) && (g.connecting || g.exchange != nil) {
		out = g.failed(now, errSilent, out)
	}
	if g.exchange != nil {
		var err error
		if out, err = g.exchange.Timeout(now, out); err != nil {
			out = g.failed(now, err, out)
		}
	}
	if g.renewal.Due(now.Mono) && !g.busy() {
		out = g.renew(now, g.renewalCause, 0, out)
	}
	if g.attempt.Due(now.Mono) {
		out = g.begin(now, out)
	}
	return out
}

// busy says whether a registration is under way or waits for its next attempt.
func (g *Group) busy() bool {
	_, waiting := g.attempt.Deadline()
	return waiting || g.connecting || g.exchange != nil
}

// Farewell is what to tell the key server in order to leave the group: that its KEKs are deleted here. A key server that
// this member is not registered with hears nothing.
func (g *Group) Farewell(ks netip.AddrPort) (out []isakmp.Payload) {
	if !g.state.HoldsKeys() || ks != g.registeredWith {
		return nil
	}
	for _, k := range g.keks {
		out = append(out, push.DeleteKEK(k.receiver.Key().SPI))
	}
	return out
}

// Stop forgets everything. The data plane fails closed, or as configured.
func (g *Group) Stop(now machine.Now, out machine.Effects) machine.Effects {
	for _, t := range g.teks {
		out = append(out, gdoi.RetireSA{Group: g.cfg.Name, SPI: t.spi, Reason: "stopped"})
	}
	if len(g.teks) > 0 {
		g.state = Unregistered
		out = g.publish(now, out)
	}
	out = append(out, g.note(gdoi.NoteStopped, machine.Info, "stopped in order; the keys are forgotten"))
	for _, k := range g.keks {
		k.receiver.Destroy()
	}
	g.keks = nil
	out = g.syncMulticast(out)
	g.path.Destroy()
	if g.exchange != nil {
		g.exchange.Destroy()
	}
	*g = Group{env: g.env, cfg: g.cfg, sessions: g.sessions, servers: g.servers, base: g.base}
	return out
}

func (g *Group) note(name string, s machine.Severity, text string, fields ...machine.Field) machine.Note {
	return machine.Note{Name: name, Severity: s, Group: g.cfg.Name, Peer: g.ks().String(), Text: text, Fields: fields}
}

// from is a note about what peer has sent: the primary sends rekeys, whichever key server this member registered with.
func from(peer netip.AddrPort, n machine.Note) machine.Note {
	n.Peer = peer.String()
	return n
}

func (g *Group) ks() netip.AddrPort { return g.servers.current() }

// jitter is uniform in [0, d).
func (g *Group) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(uint64(g.env.Uint32()) * uint64(d) >> 32)
}
