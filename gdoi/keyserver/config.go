package keyserver

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Defaults and limits; those with "Default" an operator may change.
const (
	DefaultTEKLifetime     = time.Hour
	DefaultKEKLifetime     = 24 * time.Hour
	DefaultActivationDelay = 30 * time.Second
	DefaultRetransmits     = 2
	DefaultRetransmit      = 10 * time.Second
	DefaultSIDBits         = 24
	// minLifetimeInDelays: a rollover takes 4 activation delays, and the next one begins no earlier than the old key is
	// gone.
	minLifetimeInDelays = 8
	// maxActivationDelay: 4 of them must fit into the 16 bits of a GAP attribute.
	maxActivationDelay = 4 * time.Hour
	// rememberedSPIs of ended TEKs are not given out again, because members may end them later.
	rememberedSPIs = 8
	// maxTEKs is from when on an operator has to wait: a message carries all TEKs alive, each with its whole policy, and
	// must fit into a datagram.
	maxTEKs = 4
)

// Config is one group, as its operator wrote it. Zero values are defaults where there is a Default.
type Config struct {
	// Name is what operators and journals call the group.
	Name string
	// ID is what members ask for.
	ID gdoi.GroupID
	// Authorise lists who may join; the empty list allows nobody.
	Authorise policy.Authorisation
	// Policy is the ordered access list of the group; that of SAs if there are any.
	Policy policy.List

	// Mode is how strict members are with traffic that the policy wants encrypted.
	Mode gdoi.Mode
	// SAs divide the traffic among several security associations; without them there is one, of Policy.
	SAs []SAConfig

	// TEK and TEKLifetime are those of SAs that name none.
	TEK         suite.ESP
	TEKLifetime time.Duration
	KEK         suite.KEK
	KEKLifetime time.Duration

	// SignKey names the key that the custody signs PUSH messages with; SignPublic is its DER SubjectPublicKeyInfo: RSA, or
	// ECDSA over P-256 or P-384. SignHash and SignForm are for RSA to choose; ECDSA implies both (RFC 6407 §5.3.5).
	SignKey    string
	SignPublic []byte
	SignHash   machine.Hash
	SignForm   machine.SignScheme
	// SignBase is the name that the configuration has for SignKey, which changes with each Rotate; empty: the same.
	SignBase string

	// Custody says that KEKs live in the key custody (machine.KeyCall), not in records and memory. Transport is our own
	// transport key there, for other key servers to wrap KEKs under; opaque here.
	Custody   bool
	Transport []byte

	// ActivationDelay is the A of the rollover; see the package comment. Whole seconds.
	ActivationDelay time.Duration
	// Retransmits is how often a PUSH is repeated to members that have not acknowledged it, Retransmit apart or less: the
	// last one by A/2. Negative for never.
	Retransmits int
	Retransmit  time.Duration
	Pacing      push.Pacing
	// Ack is how members that know our vendor id are asked to acknowledge; zero for SHA-256, AckNever for not at all.
	Ack push.AckType
	// Multicast is the group address and port that rekeys go to; invalid: to each member by unicast.
	Multicast netip.AddrPort

	AntiReplay AntiReplay

	// SIDBits is the width of sender ids: 8, 12, 16 or 24. SIDFirst and SIDCount bound the range that this key server
	// allocates from; a zero SIDCount is the rest of the space.
	SIDBits            int
	SIDFirst, SIDCount uint64

	// Coop is how the group is shared with other key servers; nil: it is not.
	Coop *Cooperation

	// SPIInUse says which SPIs of TEKs other groups of the key server have; nil: there are none. The node sets it.
	SPIInUse func(gdoi.SPI) bool
	// SignKeyInUse says whether another group signs with a key of this name; nil: none does. The node sets it.
	SignKeyInUse func(key string) bool

	// space are the sender ids of all key servers, once SIDFirst and SIDCount are those of this one.
	space sidRange
}

// AckNever is the Config.Ack of a group that asks for no acknowledgements.
const AckNever push.AckType = 0xffff

func (c *Config) multicast() bool { return c.Multicast.IsValid() }

// ErrConfig is what Validate wraps.
var ErrConfig = errors.New("keyserver: invalid group")

// withDefaults fills the zero values.
func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.TEKLifetime, DefaultTEKLifetime)
	def(&c.KEKLifetime, DefaultKEKLifetime)
	def(&c.ActivationDelay, DefaultActivationDelay)
	if c.Retransmits == 0 {
		c.Retransmits = DefaultRetransmits
	}
	if c.Retransmit == 0 {
		c.Retransmit = DefaultRetransmit
	}
	if c.Ack == 0 {
		c.Ack = isakmp.AckKEKSHA256
	}
	if c.TEK == 0 {
		c.TEK = suite.ESPAES256GCM16
	}
	if c.KEK == 0 {
		c.KEK = suite.KEKAES256CBC
	}
	if public, err := suite.ParseSignatureKey(c.SignPublic); err == nil { // otherwise Validate says what is wrong
		if c.SignHash == 0 {
			c.SignHash = public.Hash(machine.SHA256)
		}
		if c.SignForm == 0 {
			c.SignForm = public.Scheme(machine.SignRSAPKCS1)
		}
	}
	if c.SignBase == "" {
		c.SignBase = c.SignKey
	}
	if c.SIDBits == 0 {
		c.SIDBits = DefaultSIDBits
	}
	if space := uint64(1) << c.SIDBits; c.SIDCount == 0 && c.SIDFirst < space {
		c.SIDCount = space - c.SIDFirst
	}
	return c
}

// Validate says what is wrong with the configuration, after defaults.
func (c Config) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w %q: "+format, append([]any{ErrConfig, c.Name}, args...)...)
	}
	c = c.withDefaults()
	if c.Name == "" {
		return bad("it has no name")
	}
	if len(c.ID) == 0 {
		return bad("it has no id; set the number or text that members ask for")
	}
	if err := c.validateSAs(); err != nil {
		return bad("%w", err)
	}
	if err := c.validateTime(); err != nil {
		return bad("%w", err)
	}
	a := c.ActivationDelay
	switch {
	case a < time.Second || a > maxActivationDelay || a%time.Second != 0:
		return bad("activation-delay %v: use whole seconds, from 1s to %v", a, maxActivationDelay)
	case c.KEKLifetime < minLifetimeInDelays*a:
		return bad("kek lifetime %v is too short for activation-delay %v; use at least %v", c.KEKLifetime, a, minLifetimeInDelays*a)
	case c.Retransmits > 10:
		return bad("%d retransmits; at most 10", c.Retransmits)
	case c.Mode > gdoi.ModeReceiveOnly:
		return bad("unknown mode %d", c.Mode)
	case c.Retransmit < 100*time.Millisecond:
		return bad("retransmit %v: use at least 100ms", c.Retransmit)
	case c.Ack != AckNever && (!c.Ack.Known() || c.Ack.Leaf()):
		return bad("acknowledgement %v: use sha256, sha512 or off", c.Ack)
	case c.multicast() && (!c.Multicast.Addr().Is4() || !c.Multicast.Addr().IsMulticast() || c.Multicast.Port() == 0):
		return bad("multicast address %v: use an IPv4 group address, such as 239.192.1.1, and a port", c.Multicast)
	case c.KEK.KeyLen() == 0:
		return bad("unknown suite")
	case c.SIDBits != 8 && c.SIDBits != 12 && c.SIDBits != 16 && c.SIDBits != 24:
		return bad("sender-ids bits %d; use 8, 12, 16 (RFC 6407 §3.5) or 24", c.SIDBits)
	case c.Coop != nil && c.SIDCount < coop.MaxKeyServers:
		return bad("sender-ids count %d is too little for %d key servers", c.SIDCount, coop.MaxKeyServers)
	case c.SIDCount == 0 || c.SIDFirst+c.SIDCount > uint64(1)<<c.SIDBits || c.SIDFirst+c.SIDCount < c.SIDFirst:
		return bad("sender-ids first %d count %d do not fit into %d bits", c.SIDFirst, c.SIDCount, c.SIDBits)
	}
	for _, s := range c.sas() {
		switch {
		case !s.TEK.Valid():
			return bad("unknown suite")
		case s.Lifetime < minLifetimeInDelays*a:
			return bad("tek lifetime %v is too short for activation-delay %v: a rollover takes four times that; use a delay of at most %v, or a lifetime of at least %v",
				s.Lifetime, a, (s.Lifetime / minLifetimeInDelays).Truncate(time.Second), minLifetimeInDelays*a)
		}
	}
	if err := c.validateSignature(); err != nil {
		return bad("signature key %q: %w", c.SignKey, err)
	}
	if c.Coop != nil {
		if err := c.Coop.validate(); err != nil {
			return bad("%w", err)
		}
	}
	if err := c.fits(); err != nil {
		return bad("%w", err)
	}
	return nil
}

// Peer is an authenticated phase-1 peer that asks to join.
type Peer struct {
	// Addr is where it speaks from, and where PUSH messages go.
	Addr netip.AddrPort
	// IDType and Identity are the phase-1 identity, printable.
	IDType   uint8
	Identity string
	// GetVPN says that it sent our vendor id, and so knows the whole access list.
	GetVPN bool
	// Cert is what it was authenticated with; nil for a pre-shared key. Not changed by anybody.
	Cert *policy.Certificate
}

func (p Peer) policyPeer() policy.Peer {
	return policy.Peer{Addr: p.Addr.Addr(), IDType: p.IDType, ID: p.Identity, Cert: p.Cert}
}

// key names a member's record. Both parts count: with a pre-shared key for a whole prefix, a peer could claim the
// identity of another.
func (p Peer) key() string { return p.Addr.Addr().Unmap().String() + " " + p.Identity }
