package member

import (
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/push"
)

// State is where a member is with its group.
//
//	unregistered ─▶ registering ─▶ registered ◀─▶ re-registering
//	                    ▲                 │ keys end   │
//	                    └──── expired ◀───┴────────────┘
type State uint8

// States. Registered and Reregistering hold keys, the others do not.
const (
	Unregistered State = iota
	Registering
	Registered
	Reregistering
	Expired
)

var stateNames = [...]string{"unregistered", "registering", "registered", "re-registering", "expired"}

// String is the word of the control socket.
func (s State) String() string { return stateNames[s] }

// HoldsKeys says whether traffic can flow.
func (s State) HoldsKeys() bool { return s == Registered || s == Reregistering }

// Snapshot is a group for operators; a value.
type Snapshot struct {
	Name  string
	ID    gdoi.GroupID
	State State
	// Reason is why the state is what it is, the last failure for instance; empty when all is well.
	Reason string
	// AuthFailure is the text of the last authentication or authorisation failure; empty after a success.
	AuthFailure string
	KeyServers  []netip.AddrPort
	// Unreachable are those of them that did not answer lately, and are tried last.
	Unreachable []netip.AddrPort
	// RegisteredWith is invalid before the first registration.
	RegisteredWith netip.AddrPort
	RegisteredAt   time.Time
	// ReregisterAt is when it registers again, if no rekey makes that needless before; zero while it has no keys.
	ReregisterAt time.Time
	// NextAttempt is when a registration is tried next; zero when none is due or one is under way.
	NextAttempt             time.Time
	Registrations, Attempts uint64 // succeeded; begun
	RekeysReceived          uint64
	RekeysSince             uint64 // those since the last registration
	LastRekey               time.Time
	RekeyedBy               netip.AddrPort // where it came from; invalid: none has come
	SigningKeys             []SigningKey   // that rekeys may be signed with
	Policy                  policy.List    // local exceptions, then the group's list
	LocalRules              int            // how many of Policy are local
	// KEKs and TEKs are those alive, oldest first.
	KEKs            []gdoi.KEKInfo
	TEKs            []gdoi.TEKInfo
	Mode            gdoi.Mode
	Sending         gdoi.SPI // what the first permit is sent with; 0: nothing
	SIDBits         int
	SIDs            []gdoi.SID
	SIDsAsked       int // by each registration
	Time            TimeInfo
	ActivationDelay time.Duration // as learnt from the key server
	// Multicast lists the groups that rekeys come from; none: they come by unicast. Ack is how they are acknowledged, and
	// AcksSent how often that was done.
	Multicast []netip.AddrPort
	Ack       push.AckType
	AcksSent  uint64
	KeyTree   bool // it has a path in the key tree: when others are removed it need not register again
}

// SigningKey is a key that rekeys may be signed with: "rsa-2048", and its SubjectPublicKeyInfo, which is not to be changed.
type SigningKey struct {
	Alg  string
	DER  []byte
	Seen netip.AddrPort // where the last rekey that is signed with it came from; invalid: none has come
}

// Snapshot returns the state at now.
func (g *Group) Snapshot(now machine.Now) Snapshot {
	s := Snapshot{
		Name: g.cfg.Name, ID: g.cfg.ID, State: g.state, Reason: g.reason, AuthFailure: g.authFailure,
		KeyServers: append([]netip.AddrPort(nil), g.cfg.KeyServers...), Unreachable: g.servers.unreachables(now), RegisteredWith: g.registeredWith,
		Registrations: g.registrations, Attempts: g.attempts, RekeysReceived: g.rekeys, RekeysSince: g.rekeysSince, SIDsAsked: g.cfg.SIDs,
		Policy: g.withLocal(g.policies.current.list), LocalRules: len(g.cfg.LocalPolicy),
		Mode: g.mode(g.policies.current), Sending: g.anySending(), SIDBits: g.sidBits, SIDs: append([]gdoi.SID(nil), g.sids...), ActivationDelay: g.base,
		Multicast: slices.Clone(g.joined), AcksSent: g.acks.sent,
	}
	if n := len(g.keks); n > 0 {
		s.Ack = g.keks[n-1].receiver.Key().Ack
	}
	s.KeyTree = g.path.InTree()
	for _, k := range g.trusted {
		der := k.DER()
		s.SigningKeys = append(s.SigningKeys, SigningKey{k.String(), der, g.seen[string(der)]})
	}
	s.Time = g.timeInfo(now)
	if g.registrations > 0 {
		s.RegisteredAt = now.WallAt(g.registeredAt)
	}
	if g.rekeys > 0 {
		s.LastRekey, s.RekeyedBy = now.WallAt(g.lastRekey), g.rekeyedBy
	}
	if at, ok := g.attempt.Deadline(); ok {
		s.NextAttempt = now.WallAt(at)
	}
	if at, ok := g.renewAt(); ok && g.state.HoldsKeys() {
		s.ReregisterAt = now.WallAt(at)
	}
	for _, k := range g.keks {
		s.KEKs = append(s.KEKs, k.info(now, g.base))
	}
	for _, t := range g.teks {
		s.TEKs = append(s.TEKs, t.info(now, g.phase(t)))
	}
	return s
}

// anySending is the SPI of the first permit that has one.
func (g *Group) anySending() gdoi.SPI {
	if g.told != nil {
		for i, c := range g.told.Classes {
			if spi := g.sending[c]; spi != 0 && g.told.Policy[i].Action == policy.Permit {
				return spi
			}
		}
	}
	return 0
}
