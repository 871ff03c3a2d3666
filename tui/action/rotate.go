package action

import (
	"context"
	"fmt"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// Rotate gives a group a new signature key at a key server, the primary if at is empty: each key server has a key of its own.
func Rotate(ctx context.Context, fleet *source.Fleet, group, at string) (string, error) {
	n, err := keyServer(fleet, group)
	if at != "" {
		n, err = serverNamed(fleet, group, at)
	}
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	r, err := daemonAt(ctx, n).Rotate(ctx, control.RotateRequest{Group: group})
	return told(n.Name, r, err)
}

// serverNamed finds a key server of a group by its name, or by what the group's others know it by.
func serverNamed(fleet *source.Fleet, group, at string) (*source.Node, error) {
	n := fleet.Node(at)
	if c := fleet.Cooperation(group); n == nil && c != nil {
		s, err := serverOf(c, at)
		if err != nil {
			return nil, err
		}
		if s != nil {
			n = s.Node
		}
	}
	switch {
	case n == nil || n.Role != control.RoleKeyServer:
		return nil, fmt.Errorf("%s is no key server that is attached here", at)
	case !n.Connected:
		return nil, fmt.Errorf("%s does not answer: %s", n.Name, n.Problem)
	}
	return n, nil
}
