package coop

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Info returns the state at now. What only the link knows of a peer is left to the caller.
func (c *Cell) Info(now machine.Now) Info {
	t := c.cfg.Timers
	i := Info{
		ID: c.cfg.ID, Addr: c.cfg.Addr.Addr(), Priority: c.cfg.Priority, Protocol: ProtocolVersion, Role: c.role, Ready: c.ready, Why: c.why,
		Term: termNumber(c.term), Primary: c.primary, PrimarySince: c.since, Split: c.cfg.Split, SplitSince: c.split, Epoch: c.group.Epoch(),
		Profile: t.Profile(), AnnInterval: t.Announce, DeadInterval: t.Dead, QueryInterval: t.Query, QueryRetries: t.Retries,
		Version: inPrint(c.has), Diff: slices.Clone(c.diff), History: slices.Clone(c.history),
		WrongTime: c.wrongTime,
	}
	if c.primary == 0 {
		i.PrimarySince = time.Time{}
	}
	left := func(timer machine.Timer) time.Duration {
		if at, ok := timer.Deadline(); ok {
			return max(0, at.Sub(now.Mono))
		}
		return 0
	}
	i.NextAnn = left(c.announce)
	if c.role == Primary {
		i.Version = Version{i.Term, c.group.Head()}
		i.Replicated = Version{i.Term, min(c.replica.all, i.Version.N)}
	}
	if g, ok := c.group.(interface {
		Merging() bool
		MergeEnd() machine.Instant
	}); ok && g.Merging() {
		i.Merging, i.MergeLeft = true, max(0, g.MergeEnd().Sub(now.Mono))
	}
	for _, p := range c.peers {
		if !p.live {
			i.Unreachable = append(i.Unreachable, p.ID)
		} else if c.role == Primary && p.known && p.status.Role == Primary {
			i.Rivals = append(i.Rivals, p.ID)
		}
		if p.ID == c.primary {
			i.NextCheck, i.Retries = left(p.check), p.queries
		}
		i.Peers = append(i.Peers, c.peerInfo(now, p))
	}
	return i
}

func inPrint(v Version) Version { return Version{termNumber(v.Term), v.N} }

func (c *Cell) peerInfo(now machine.Now, p *peer) PeerInfo {
	s := &p.status
	i := PeerInfo{ID: p.ID, Addr: p.Addr.Addr(), Heard: -1, Link: LinkDown}
	if p.ever {
		i.Heard = now.Mono.Sub(p.heard)
		i.Priority, i.Role, i.Ready, i.Term, i.Primary, i.Epoch = int(s.Priority), s.Role, s.Ready, termNumber(s.Term), s.Primary, s.Epoch
		i.Members, i.Has, i.SamePolicy, i.Sees = int(s.Members), inPrint(s.Has), s.Digest == c.digest, s.Sees.IDs()
		i.Software, i.Protocol = s.Software, ProtocolVersion
		i.Link = LinkUp
		if !p.live || p.queries > 0 {
			i.Link = LinkSilent
		}
	}
	return i
}

func outOfReach(ids []ID) string {
	if len(ids) == 1 {
		return fmt.Sprintf("key server %d is out of reach", ids[0])
	}
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = fmt.Sprint(id)
	}
	return fmt.Sprintf("key servers %s are out of reach", strings.Join(s, ", "))
}

// watchSplit says when key servers are out of reach, and when all are back.
func (c *Cell) watchSplit(now machine.Now, out machine.Effects) machine.Effects {
	var gone []ID
	for _, p := range c.peers {
		if !p.live {
			gone = append(gone, p.ID)
		}
	}
	switch {
	case len(gone) > 0 && c.split.IsZero() && (c.led || now.Mono >= c.patient):
		c.split = now.Wall
		return append(out, c.note(gdoi.NoteCoopSplit, machine.Warning, outOfReach(gone)))
	case len(gone) == 0 && !c.split.IsZero():
		c.split = time.Time{}
		return append(out, c.note(gdoi.NoteCoopHealed, machine.Info, "all key servers are in reach"))
	}
	return out
}
