package member

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Timers; those with "Default" an operator may change.
const (
	// DefaultBackoff is the first wait after a failed registration; it doubles up to DefaultBackoffMax, each time with
	// a jitter of ±50 %. A member without keys is an outage, and an attempt is one small datagram, so the longest wait is
	// short; phase 1 itself takes half a minute to give up.
	DefaultBackoff    = time.Second
	DefaultBackoffMax = 15 * time.Second
	// staleSession is how long a registration over a kept phase-1 session may take before the member believes that the
	// key server has forgotten that session, and negotiates a new one.
	staleSession = 4 * time.Second
	// deleteJitter spreads the members of a group that was reset.
	deleteJitter = 5 * time.Second
	// unknownSPIPause is the least time between registrations that an alarm caused; see alarm.go.
	unknownSPIPause = 30 * time.Second
	// Where a key server sends no DEACTIVATION_TIME_DELAY, the activation delay is taken as a twentieth of the TEK's
	// life, within these bounds.
	minBase = time.Second
	maxBase = 30 * time.Second
)

// Config is one group, as the member's operator wrote it.
type Config struct {
	// Name is what operators and journals call the group.
	Name string
	// ID is what the key server knows it by.
	ID gdoi.GroupID
	// KeyServers in the order of preference.
	KeyServers []netip.AddrPort
	// LocalPolicy holds local exceptions, deny rules only; they come before the group's list.
	LocalPolicy policy.List
	// Mode, if set, overrides that of the group for this member.
	Mode *gdoi.Mode
	// Suites are those that the member protects its traffic with; an offer with any other is refused. Nil:
	// suite.ModernESP.
	Suites []suite.ESP
	// DestinationOnly accepts SAs whose senders need not preserve the source address. What comes from another source than
	// it says inside is dropped all the same.
	DestinationOnly bool
	// SIDs is how many sender ids to ask for; 0 and 1 mean one.
	SIDs int
	// Backoff and BackoffMax; zero means the defaults.
	Backoff, BackoffMax time.Duration
}

// ErrConfig is what Validate wraps.
var ErrConfig = errors.New("member: invalid group")

func (c Config) withDefaults() Config {
	if c.Backoff <= 0 {
		c.Backoff = DefaultBackoff
	}
	if c.BackoffMax <= 0 {
		c.BackoffMax = DefaultBackoffMax
	}
	c.SIDs = max(1, c.SIDs)
	if c.Suites == nil {
		c.Suites = suite.ModernESP()
	}
	return c
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case c.Name == "":
		return fmt.Errorf("%w: it has no name", ErrConfig)
	case len(c.ID) == 0:
		return fmt.Errorf("%w %q: it has no id; set the number or text that the key server knows it by", ErrConfig, c.Name)
	case len(c.KeyServers) == 0:
		return fmt.Errorf("%w %q: no key server; give the address of at least one", ErrConfig, c.Name)
	}
	for _, ks := range c.KeyServers {
		if !ks.IsValid() || ks.Port() == 0 {
			return fmt.Errorf("%w %q: key server %v is not address:port", ErrConfig, c.Name, ks)
		}
	}
	if _, err := (policy.List{}).WithLocal(c.LocalPolicy); err != nil {
		return fmt.Errorf("%w %q: %w", ErrConfig, c.Name, err)
	}
	return nil
}
