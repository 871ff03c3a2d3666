// Package action is what the console can do, as plain functions: the keys of the screen and the verbs of the command line
// call the same ones. Requests to daemons go through their control socket; killing and starting the nodes of a lab is
// done by getvpn-lab, which owns them.
package action

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/tui/source"
)

// bound is how long an action may take before the console says that it did.
const bound = 20 * time.Second

// Rekey asks the group's key server for new keys.
func Rekey(ctx context.Context, fleet *source.Fleet, group string, kek bool) (string, error) {
	n, err := keyServer(fleet, group)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	r, err := daemonAt(ctx, n).Rekey(ctx, control.RekeyRequest{Group: group, KEK: kek})
	return told(n.Name, r, err)
}

// keyServer finds a key server of the group that answers.
func keyServer(fleet *source.Fleet, group string) (*source.Node, error) {
	if n, _ := fleet.KSOf(group); n != nil && n.Connected {
		return n, nil
	}
	var silent []string
	for i := range fleet.Nodes {
		if n := &fleet.Nodes[i]; !n.Connected && n.Role != control.RoleGroupMember {
			silent = append(silent, n.Name+": "+n.Problem)
		}
	}
	if len(silent) > 0 {
		return nil, fmt.Errorf("no key server of group %q answers (%s): start it, or attach to one that runs", group, strings.Join(silent, "; "))
	}
	return nil, fmt.Errorf("no attached key server has a group %q; the groups here are [%s]", group, strings.Join(fleet.Groups(), " "))
}

// ClearMember removes a member from the key server's list, so that it must register again.
func ClearMember(ctx context.Context, fleet *source.Fleet, group, member string) (string, error) {
	n, err := keyServer(fleet, group)
	if err != nil {
		return "", err
	}
	member = address(fleet, group, member)
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	r, err := daemonAt(ctx, n).ClearMember(ctx, control.ClearMemberRequest{Group: group, Member: member})
	return told(n.Name, r, err)
}

// RemoveMember excludes members from the group; with now old keys end at once.
func RemoveMember(ctx context.Context, fleet *source.Fleet, group string, members []string, now bool) (string, error) {
	r := control.RemoveMemberRequest{Group: group, Now: now}
	for _, m := range members {
		r.Members = append(r.Members, address(fleet, group, m))
	}
	return everyPrimary(ctx, fleet, group, func(ctx context.Context, c *client.Client) (control.Reply, error) { return c.RemoveMember(ctx, r) })
}

// Readmit lets a removed member register again.
func Readmit(ctx context.Context, fleet *source.Fleet, group, member string) (string, error) {
	r := control.ReadmitRequest{Group: group, Member: address(fleet, group, member)}
	return everyPrimary(ctx, fleet, group, func(ctx context.Context, c *client.Client) (control.Reply, error) { return c.Readmit(ctx, r) })
}

// everyPrimary asks the key server of a group, or, while its key servers are split, the primary of each side that is
// attached: what is about who may be a member must not wait until they are one again.
func everyPrimary(ctx context.Context, fleet *source.Fleet, group string, ask func(context.Context, *client.Client) (control.Reply, error)) (string, error) {
	first, err := keyServer(fleet, group)
	if err != nil {
		return "", err
	}
	nodes := []*source.Node{first}
	if c := fleet.Cooperation(group); c != nil {
		for _, p := range c.Primaries {
			if p.Node.Name != first.Name {
				nodes = append(nodes, p.Node)
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	var texts []string
	var errs []error
	for _, n := range nodes {
		r, err := ask(ctx, daemonAt(ctx, n))
		text, err := told(n.Name, r, err)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		texts = append(texts, text)
	}
	if errs != nil && texts != nil {
		errs = append(errs, errors.New("but "+strings.Join(texts, "; ")))
	}
	return strings.Join(texts, "; "), errors.Join(errs...)
}

// ClearMembers makes all members register again; with now they lose their keys at once.
func ClearMembers(ctx context.Context, fleet *source.Fleet, group string, now bool) (string, error) {
	n, err := keyServer(fleet, group)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	r, err := daemonAt(ctx, n).ClearMembers(ctx, control.ClearMembersRequest{Group: group, Now: now})
	return told(n.Name, r, err)
}

// Handover lets another key server be primary of a group: a number, an address, the name of a node, or, if to is empty, the
// one that an election would choose.
func Handover(ctx context.Context, fleet *source.Fleet, group, to string) (string, error) {
	n, err := keyServer(fleet, group)
	if err != nil {
		return "", err
	}
	if c := fleet.Cooperation(group); c != nil && to != "" {
		s, err := serverOf(c, to)
		if err != nil {
			return "", err
		}
		if s != nil {
			to = fmt.Sprint(s.ID)
			if self := s.Self(); self != nil && self.Primary != 0 { // in a split, the primary of its side
				if p := c.Server(self.Primary); p.Self() != nil {
					n = p.Node
				}
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	r, err := daemonAt(ctx, n).Handover(ctx, control.HandoverRequest{Group: group, To: to})
	return told(n.Name, r, err)
}

// serverOf finds a key server by name, address or number. For one that the console does not know it is nil; it fails for
// what no key server would take for one: neither a number nor an address.
func serverOf(c *source.Cooperation, to string) (*source.Server, error) {
	var names []string
	for i := range c.Servers {
		s := &c.Servers[i]
		if to == s.Name || to == s.Address || to == fmt.Sprint(s.ID) {
			return s, nil
		}
		if s.Node != nil {
			names = append(names, s.Name)
		}
	}
	_, noNumber := strconv.Atoi(to)
	_, noAddr := netip.ParseAddr(to)
	_, noPort := netip.ParseAddrPort(to)
	if noNumber == nil || noAddr == nil || noPort == nil {
		return nil, nil
	}
	return nil, fmt.Errorf("no key server %q in group %s; give its number, its address, or the name of one that is attached here: %s", to, c.Group, strings.Join(names, ", "))
}

// address is that of an attached node, or what was given: an address or an identity.
func address(fleet *source.Fleet, group, member string) string {
	if m := fleet.Node(member); m != nil && m.Snap != nil {
		return m.Snap.MemberAddress(group)
	}
	return member
}

// Reregister makes a member register again.
func Reregister(ctx context.Context, fleet *source.Fleet, group, member string) (string, error) {
	n := fleet.Node(member)
	if n == nil {
		return "", fmt.Errorf("no node %q is attached", member)
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	r, err := daemonAt(ctx, n).Reregister(ctx, control.ReregisterRequest{Group: group})
	return told(n.Name, r, err)
}

func told(node string, r control.Reply, err error) (string, error) {
	if err != nil {
		return "", fmt.Errorf("%s: %w", node, err)
	}
	if r.Error != "" {
		return "", fmt.Errorf("%s: %s", node, r.Error)
	}
	if r.DryRun {
		return node + ": " + foreseen(r), nil
	}
	return node + ": " + r.Text, nil
}
