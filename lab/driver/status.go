package driver

import (
	"context"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// Status is a lab at one moment, for people and programs.
type Status struct {
	Name     string            `json:"name"`
	Scenario string            `json:"scenario"`
	Driver   string            `json:"driver"`
	Dir      string            `json:"dir"`
	Created  time.Time         `json:"created"`
	Now      time.Time         `json:"now"` // by the clock of the lab's faults, which may be simulated
	Vars     map[string]string `json:"vars"`
	Nodes    []NodeStatus      `json:"nodes"`
	Faults   []Fault           `json:"faults"`
}

// NodeStatus is one node at one moment.
type NodeStatus struct {
	NodeState
	Running bool   `json:"running"`
	Detail  string `json:"detail,omitempty"` // what the daemon says about itself, in a few words
}

// Status asks all daemons.
func (c *Common) Status(ctx context.Context) (*Status, error) {
	st, err := c.State()
	if err != nil {
		return nil, err
	}
	out := &Status{Name: st.Name, Scenario: st.Scenario, Driver: st.Driver, Dir: st.Dir, Created: st.Created, Now: time.Now().UTC(), Vars: st.Vars,
		Faults: activeFaults(st.Faults)}
	for _, n := range st.Nodes {
		ns := NodeStatus{NodeState: n}
		switch {
		case n.Program == "":
		case n.Process().Alive():
			ns.Running = true
			if n.Wanted == WantedPaused {
				ns.Detail = n.Wanted
				break
			}
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			if snap, err := c.Control(n.Name).Snapshot(ctx); err != nil {
				ns.Detail = "does not answer: " + err.Error()
			} else {
				ns.Detail = describe(snap)
			}
			cancel()
		case n.Wanted == WantedRunning:
			ns.Detail = "has ended by itself, see getvpn-lab logs " + n.Name
		default:
			ns.Detail = n.Wanted
		}
		out.Nodes = append(out.Nodes, ns)
	}
	return out, nil
}

func describe(s *control.Snapshot) string {
	switch {
	case s.KS != nil && len(s.KS.Groups) > 0:
		g := s.KS.Groups[0]
		role := ""
		if g.Coop != nil {
			role = g.Role + ", "
			if !g.Coop.Ready {
				role += "not ready, "
			}
		}
		return fmt.Sprintf("group %s: %s%d members, next rekey in %s", g.Name, role, g.Present(),
			g.NextRekey.Sub(s.Time).Round(time.Second)) // by its own clock
	case s.GM != nil && len(s.GM.Groups) > 0:
		g := s.GM.Groups[0]
		text := fmt.Sprintf("group %s: %s", g.Name, g.State)
		for _, t := range g.TEKs {
			if t.Phase == control.PhaseSending {
				text += fmt.Sprintf(", sends with %s for %d s", t.SPI, t.Remaining)
			}
		}
		return text
	}
	return "no group"
}
