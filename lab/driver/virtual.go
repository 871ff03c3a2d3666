package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi/policy"
)

// Virtual is a lab whose time is its own: it stands still but for Sleep. So whatever is done one after the other happens at the same
// instants each time, and takes as long as the machine needs. It has no network; what hosts send each other is a model.
type Virtual interface {
	Now() time.Time // what the calendars of its nodes say
	Sleep(ctx context.Context, d time.Duration) error
	// Refuses says why an action, in its words, cannot be done in such a lab: an ErrNoNetwork. Nil: it can be tried.
	Refuses(action []string) error
	// StartFlows begins numbered packets, so many a second in every flow. The first is sent after a time.
	StartFlows(ctx context.Context, flows []Flow, rate int) (id int, first time.Duration, err error)
	// FlowsSince gives, for every flow, what has become of its packets since it was asked last.
	FlowsSince(ctx context.Context, id int) ([][]Packets, error)
	StopFlows(ctx context.Context, id int) error
	// Broken lists the invariants of the model that the run has broken.
	Broken(ctx context.Context) ([]string, error)
}

// Flow is packets from a node to another, hosts or members, in a Virtual lab.
type Flow struct {
	From, To string
	Packet   policy.Packet
}

// Packets are so many in a row that fared alike.
type Packets struct {
	Count   int           `json:"count"`
	Arrived bool          `json:"arrived,omitempty"`
	Latency time.Duration `json:"latency"`
	Left    bool          `json:"left,omitempty"` // the sender's site; otherwise its member held them back
	SPI     uint32        `json:"spi,omitempty"`  // under which they left it; 0: in clear
}

// ErrNoNetwork is what only a lab with real nodes can do.
var ErrNoNetwork = errors.New("needs netns")

// NoNetwork says what the simulator does not have.
func NoNetwork(what string) error { return fmt.Errorf("%w: the simulator has %s", ErrNoNetwork, what) }
