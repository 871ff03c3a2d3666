// Package engine decides about packets.
package engine

import (
	"net/netip"

	"github.com/getvpn/getvpn/esp/spd"
)

// Config is fixed for the life of an Engine.
type Config struct {
	Groups       []GroupConfig // in the order in which they are asked
	MTU          int           // of the WAN; default 1500
	Gateway      netip.Addr    // source of ICMP errors: the member's LAN or own address
	MSS          int           // largest MSS let through in TCP SYNs; 0 for no clamping, MSSAuto to follow the MTU
	ReplayWindow int           // packets; a power of two; default 1024
	MaxSenders   int           // replay windows per SA; default 65536
}

// MSSAuto makes the clamp follow the MTU.
const MSSAuto = -1

// Engine holds policy and SAs. Control methods may be called from any goroutine at any time.
type Engine struct{}

// New makes an engine that knows no keys, so every group is unregistered.
func New(c Config) (*Engine, error) { return &Engine{}, nil }

// SetPolicy replaces a group's access list and says whether the group is usable.
func (e *Engine) SetPolicy(group string, rules []spd.Rule, registered bool) error { return nil }

// Install adds an SA; packets are received with it at once.
func (e *Engine) Install(sa SA) error { return nil }

// Activate makes an installed SA the one that its group sends with.
func (e *Engine) Activate(group string, spi uint32) error { return nil }

// Retire forgets an SA and destroys its key as soon as no worker uses it.
func (e *Engine) Retire(group string, spi uint32) error { return nil }

// SetMTU follows the MTU of the WAN.
func (e *Engine) SetMTU(mtu int) {}

// InnerMTU returns the largest packet that needs no fragmenting: the MTU of the TUN.
func (e *Engine) InnerMTU() int { return 0 }

// Stats returns a snapshot.
func (e *Engine) Stats() Stats { return Stats{} }

// Worker is the engine as one goroutine uses it.
type Worker struct{}

// NewWorker makes a worker for one goroutine.
func (e *Engine) NewWorker() *Worker { return &Worker{} }

// Close gives up the worker. Its counts stay.
func (w *Worker) Close() {}

// Outbound decides about packets from the LAN or from this host and appends the results to out. Results refer to the
// packets' buffers or to the worker's own; the latter are good until the next call.
func (w *Worker) Outbound(now Instant, batch []Packet, out []Result) []Result { return out }

// Inbound decides about ESP packets from the WAN, with their outer header, and appends the results to out.
func (w *Worker) Inbound(now Instant, batch []Packet, out []Result) []Result { return out }
