package app

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/view"
)

// askAgain is how often key servers are asked what is pending while somebody looks: a file may change at any time.
const askAgain = 10 * time.Second

// pending is what the policy view knows of changes that are not in force yet.
type pending struct {
	known  *view.Pending
	asking bool
	asked  time.Time
	policy string // digests in force when it was asked
}

type pendingMsg struct{ known *view.Pending }

// askPending asks the key servers, if somebody looks at the policy and what is known is old, or about something else.
func (m *Model) askPending() tea.Cmd {
	p, group := &m.pending, m.top().place.Group
	if m.top().place.View != (view.Policy{}).Name() || m.frozen != nil || p.asking {
		return nil
	}
	why := view.Unknowable(m.fleet, group)
	if m.player != nil {
		why = "what configuration files would have changed is not recorded"
	}
	if why != "" {
		if p.known == nil || p.known.Why != why {
			*p = pending{known: &view.Pending{Group: group, Why: why}}
		}
		return nil
	}
	inForce := m.digests(group)
	if k := p.known; k != nil && k.Group != group {
		p.known = nil
	} else if k != nil && !p.asked.IsZero() && p.policy == inForce && m.now().Sub(p.asked) < askAgain {
		return nil
	}
	p.asking, p.asked, p.policy = true, m.now(), inForce
	fleet := m.fleet
	return func() tea.Msg { return pendingMsg{AskPending(m.ctx, fleet, group)} }
}

// AskPending asks the key servers of a group, or of all, what their configuration files would change.
func AskPending(ctx context.Context, fleet *source.Fleet, group string) *view.Pending {
	p := &view.Pending{Group: group, Why: view.Unknowable(fleet, group)}
	if p.Why != "" {
		return p
	}
	var err error
	if p.Plans, err = action.Pending(ctx, fleet, group); err != nil {
		p.Why = err.Error()
	}
	return p
}

// digests are the access lists in force at the key servers.
func (m *Model) digests(group string) (out string) {
	for _, n := range m.fleet.KeyServers() {
		if n.Connected && n.Snap != nil && n.Snap.KS != nil {
			for i := range n.Snap.KS.Groups {
				if g := &n.Snap.KS.Groups[i]; group == "" || g.Name == group {
					out += n.Name + "/" + g.Name + "/" + g.PolicyDigest + " "
				}
			}
		}
	}
	return out
}
