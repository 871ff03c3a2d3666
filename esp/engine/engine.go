package engine

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/replay"
	"github.com/getvpn/getvpn/esp/sadb"
	"github.com/getvpn/getvpn/esp/spd"
)

// Defaults and limits.
const (
	DefaultMTU        = 1500
	DefaultMaxSenders = 1 << 16 // at most 14 MB of windows of the default size
	minMTU            = 576     // RFC 791: what every host must be able to receive
	MSSAuto           = -1      // the clamp follows the MTU
	tcpHeaderLen      = 20      // without options
)

// Errors.
var (
	ErrConfig       = errors.New("engine: invalid configuration")
	ErrUnknownGroup = errors.New("engine: no such group; it is not in the configuration")
)

// Config is fixed for the life of an Engine.
type Config struct {
	Groups       []GroupConfig // in the order in which they are asked
	MTU          int           // of the WAN; default 1500
	Gateway      netip.Addr    // source of ICMP errors: the member's LAN or own IPv4 address; none: no ICMP errors
	Gateway6     netip.Addr    // the same for ICMPv6; see SetGateway
	MSS          int           // largest MSS let through in TCP SYNs; 0 for no clamping, MSSAuto to follow the MTU
	ReplayWindow int           // packets; a power of two; default 1024
	MaxSenders   int           // replay windows per SA; default 65536

	// IPv4 only: nobody but the sender cuts IPv6.
	Fragmentation Fragmentation
	DF            DFBit
}

// Engine holds policy and SAs.
type Engine struct {
	db       *sadb.DB
	table    atomic.Pointer[spd.Table]
	inner4   atomic.Int64 // InnerMTU
	inner6   atomic.Int64 // InnerMTU6
	gateway4 atomic.Pointer[packet.Addr]
	gateway6 atomic.Pointer[packet.Addr]
	paths    atomic.Pointer[paths] // that are narrower than the WAN
	wanMTU   atomic.Int64
	mss      int
	size     sizePolicy

	icmpTranslated, icmpPathMTU atomic.Uint64

	windows []int       // by group
	times   []groupTime // by group

	mu      sync.Mutex // of the control methods
	groups  []spd.Group
	classes classes
	workers []*Worker
	strays  strays
	closed  totals // of the workers that are gone

	closedTimes []TimeStats // as closed, by group; the counts alone
}

// New makes an engine that knows no keys: every group is unregistered, so it fails closed or open as configured.
func New(c Config) (*Engine, error) {
	if c.MaxSenders == 0 {
		c.MaxSenders = DefaultMaxSenders
	}
	if c.ReplayWindow == 0 {
		c.ReplayWindow = replay.DefaultSize
	}
	if c.MTU == 0 {
		c.MTU = DefaultMTU
	}
	if c.MSS < MSSAuto || c.MSS > math.MaxUint16 {
		return nil, fmt.Errorf("%w: MSS %d", ErrConfig, c.MSS)
	}
	size := sizePolicy{c.Fragmentation, c.DF}
	if err := size.check(); err != nil {
		return nil, err
	}
	e := &Engine{db: sadb.New(c.MaxSenders), mss: c.MSS, size: size, classes: classes{ids: map[class]uint32{}}}
	if c.Gateway.IsValid() && !c.Gateway.Unmap().Is4() || c.Gateway6.IsValid() && c.Gateway6.Unmap().Is4() {
		return nil, fmt.Errorf("%w: gateways %s and %s must be an IPv4 and an IPv6 address", ErrConfig, c.Gateway, c.Gateway6)
	}
	e.SetGateway(c.Gateway)
	e.SetGateway(c.Gateway6)
	for _, g := range c.Groups {
		if _, err := e.group(g.Name); err == nil {
			return nil, fmt.Errorf("%w: two groups are named %q", ErrConfig, g.Name)
		}
		window := g.ReplayWindow
		if window == 0 {
			window = c.ReplayWindow
		}
		if err := replay.ValidSize(window); err != nil {
			return nil, fmt.Errorf("%w: group %q: %w", ErrConfig, g.Name, err)
		}
		e.windows = append(e.windows, window)
		e.groups = append(e.groups, spd.Group{
			Name: g.Name, FailOpen: g.FailOpen, ReceiveOnly: g.ReceiveOnly, Local: slices.Clone(g.Local), Protect: slices.Clone(g.Protect),
		})
	}
	e.times, e.closedTimes = make([]groupTime, len(e.groups)), make([]TimeStats, len(e.groups))
	t, err := spd.New(e.groups, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	e.table.Store(t)
	if err := e.SetMTU(c.MTU); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Engine) group(name string) (int, error) {
	i := slices.IndexFunc(e.groups, func(g spd.Group) bool { return g.Name == name })
	if i < 0 {
		return 0, fmt.Errorf("%w: %q", ErrUnknownGroup, name)
	}
	return i, nil
}

// SetPolicy replaces a group's policy. A group that loses its registration should keep its last rules, so that it fails
// closed for exactly what it protected. The policy of other groups and the hit counters of lists that stay the same are
// kept; packets see either the old policy or the new one. Classes that are new should have been activated before.
func (e *Engine) SetPolicy(group string, p Policy) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, err := e.group(group)
	if err != nil {
		return err
	}
	if p.Classes != nil && len(p.Classes) != len(p.Rules) {
		return fmt.Errorf("%w: group %q: %d rules have %d classes", ErrConfig, group, len(p.Rules), len(p.Classes))
	}
	next := slices.Clone(e.groups)
	next[i].Rules, next[i].Registered, next[i].ReceiveOnly = slices.Clone(p.Rules), p.Registered, p.ReceiveOnly
	next[i].Classes = e.classes.of(i, p)
	t, err := spd.New(next, e.table.Load())
	if err != nil {
		return err
	}
	e.groups = next
	e.table.Store(t)
	e.forgetClasses()
	return nil
}

// Install adds an SA; packets are received with it at once. An SA that is installed already, with the same key, keeps its
// counters and windows, and gains the sender ids that are new.
func (e *Engine) Install(sa SA) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, err := e.group(sa.Group)
	if err != nil {
		return err
	}
	x, err := e.selectors(sa.Selectors)
	if err != nil {
		return err
	}
	if sa.Suite == 0 {
		sa.Suite = gcmFor(sa.KeyMat)
	}
	defer e.fitMTU()
	return e.db.Add(e.timed(sadb.Params{
		Group: i, SPI: sa.SPI, Suite: sa.Suite, KeyMat: sa.KeyMat, SIDBits: sa.SIDBits, SIDs: sa.SIDs,
		Expires: int64(sa.Expires), Window: e.windows[i], Selectors: x,
	}))
}

// Activate makes an installed SA the one that protects a class of its group's traffic.
func (e *Engine) Activate(group string, number int, spi uint32) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, err := e.group(group)
	if err != nil {
		return err
	}
	return e.db.Activate(i, spi, e.classes.id(class{i, number}))
}

// Retire forgets an SA and destroys its key as soon as no worker uses it. Classes that it protected have nothing to be
// sent with until the next Activate.
func (e *Engine) Retire(group string, spi uint32) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, err := e.group(group)
	if err != nil {
		return err
	}
	defer e.fitMTU()
	defer e.forgetClasses()
	return e.db.Retire(i, spi)
}

// SetMTU follows the MTU of the WAN.
func (e *Engine) SetMTU(mtu int) error {
	if mtu < minMTU || mtu > math.MaxUint16 {
		return fmt.Errorf("%w: MTU %d: it must be from %d to %d", ErrConfig, mtu, minMTU, math.MaxUint16)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wanMTU.Store(int64(mtu))
	e.fitMTU()
	return nil
}

// fitMTU leaves room for the suite that needs most of those that are installed; with none, for AES-GCM. Called with the
// lock held.
func (e *Engine) fitMTU() {
	wan := int(e.wanMTU.Load())
	sas, _ := e.db.Entries()
	e.inner4.Store(int64(e.fit(sas, wan, packet.IPv4HeaderLen)))
	e.inner6.Store(int64(e.fit(sas, wan, packet.IPv6HeaderLen)))
	e.fitPaths(sas)
}

// SetGateway changes the source of ICMP errors of the address's version. Nothing happens if it is not valid.
func (e *Engine) SetGateway(a netip.Addr) {
	x := packet.FromNetip(a)
	switch {
	case !a.IsValid():
	case a.Unmap().Is4():
		e.gateway4.Store(&x)
	default:
		e.gateway6.Store(&x)
	}
}

// gateway is where ICMP errors of a version come from, nil if there are none.
func (e *Engine) gateway(version uint8) *packet.Addr {
	if version == 6 {
		return e.gateway6.Load()
	}
	return e.gateway4.Load()
}

// gcmFor is the AES-GCM whose keying material has this length; none if there is none.
func gcmFor(keymat []byte) esp.Suite {
	for _, s := range []esp.Suite{esp.AES128GCM, esp.AES192GCM, esp.AES256GCM} {
		if s.KeyMatLen() == len(keymat) {
			return s
		}
	}
	return 0
}

// InnerMTU returns the longest IPv4 packet that is sealed uncut. It changes with the WAN's MTU, and when Install or Retire
// bring or end a suite.
func (e *Engine) InnerMTU() int { return int(e.inner4.Load()) }

// InnerMTU6 is the same for IPv6, whose outer header is longer by 20 octets.
func (e *Engine) InnerMTU6() int { return int(e.inner6.Load()) }

// maxMSS returns the largest MSS to let through in a version of IP, 0 for any.
func (e *Engine) maxMSS(version uint8) uint16 {
	switch {
	case e.mss != MSSAuto:
		return uint16(e.mss)
	case version == 6:
		return uint16(max(e.InnerMTU6(), packet.IPv6MinMTU) - packet.IPv6HeaderLen - tcpHeaderLen)
	}
	return uint16(e.InnerMTU() - packet.IPv4HeaderLen - tcpHeaderLen)
}
