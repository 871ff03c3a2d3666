package node

import (
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki"
)

// Recertify is a command to either node: from now on judge certificates by Trust, which may have newer revocation lists,
// and use these certificates of ours. Sessions whose certificates it revokes end, and members too if so configured.
// Answered by a CommandResult.
type Recertify struct {
	Trust *pki.Trust
	// Credentials are for the same methods as before; nil leaves them as they are.
	Credentials []ike1.Credential
	ID          uint64
}

// MachineEvent marks the type.
func (Recertify) MachineEvent() {}

// takenUp changes what new negotiations use; those under way go on with what they have chosen.
func (c Recertify) takenUp(p *ike1.Config) {
	p.Trust = c.Trust
	if c.Credentials != nil {
		p.Credentials = c.Credentials
	}
}

// waits notes what a session of the key server waits for, and what it keeps.
func (n *KeyServer) waits(s *session) {
	if n.sessions[s.id] != s {
		return
	}
	delete(n.signing, s.op)
	s.op = 0
	if op, ok := s.ike.Signing(); ok {
		s.op = op
		n.signing[op] = s
	}
	n.fragments += s.ike.FragmentBytes() - s.kept
	s.kept = s.ike.FragmentBytes()
}

// phase1Signed hands the custody's answer to the negotiation that waits for it.
func (n *KeyServer) phase1Signed(now machine.Now, s *session, ev machine.Signed, out machine.Effects) machine.Effects {
	out, err := s.ike.Signed(now, ev, out)
	if err != nil {
		out = append(n.drops.failed(now, err, s.ike.Remote(), out), signFailed(s.ike, err))
	}
	return n.settle(now, s, out)
}

func signFailed(s *ike1.Session, err error) machine.Note {
	return machine.Note{Name: gdoi.NoteSignFailed, Severity: machine.Error, Peer: s.Remote().String(), Reason: reasonOf(err), Text: err.Error()}
}

// trust takes up new revocation lists: sessions whose certificates they name end, and members too if so configured.
func (n *KeyServer) trust(now machine.Now, c Recertify, out machine.Effects) machine.Effects {
	c.takenUp(&n.cfg.Phase1)
	out = trusted(now, c, out)
	n.attemptAnew(now)
	sessions := 0
	for _, s := range n.inOrder() {
		text, revoked := c.Trust.Revoked(s.ike.PeerCertificate())
		if !revoked {
			continue
		}
		sessions++
		out = append(out, revokedNote(s.ike, text))
		out = s.ike.Revoked(out)
		n.remove(s)
	}
	out, members := n.excludeRevoked(now, out)
	return append(out, gdoi.CommandResult{ID: c.ID, Text: fmt.Sprintf("certificates and revocation lists taken up; %d sessions ended, %s", sessions, members)})
}

// excludeRevoked takes members with revoked certificates out of their groups, and says how many, and how many have to wait.
func (n *KeyServer) excludeRevoked(now machine.Now, out machine.Effects) (machine.Effects, string) {
	members, waiting := 0, 0
	if n.cfg.OnRevocation == RevokeRefuse {
		return out, "0 members removed"
	}
	for _, g := range n.groups {
		var gone []keyserver.Peer
		for _, p := range g.Peers() {
			text, revoked := n.cfg.Phase1.Trust.Revoked(p.Cert)
			if !revoked {
				continue
			}
			gone = append(gone, p)
			out = append(out, machine.Note{
				Name: gdoi.NoteRevoked, Severity: machine.Warning, Group: g.Name(), Peer: p.Addr.String(), Reason: ike1.ReasonRevoked,
				Text: fmt.Sprintf("%s must leave the group: its certificate is revoked, %s", p.Identity, text),
			})
		}
		if out = g.Exclude(now, gone, out); g.Excluding() > 0 {
			waiting += len(gone)
		} else {
			members += len(gone)
		}
	}
	text := fmt.Sprintf("%d members removed", members)
	if waiting > 0 {
		text += fmt.Sprintf(", %d more as soon as the key custody gives out a new KEK", waiting)
	}
	return out, text
}

// inOrder is the established sessions by address, then those under way that have shown a certificate.
func (n *KeyServer) inOrder() []*session {
	var out []*session
	for _, a := range sortedAddrs(n.byPeer) {
		out = append(out, n.byPeer[a]...)
	}
	ops := make([]machine.OpID, 0, len(n.signing))
	for op := range n.signing {
		ops = append(ops, op)
	}
	slices.Sort(ops)
	for _, op := range ops {
		out = append(out, n.signing[op])
	}
	return out
}

func trusted(now machine.Now, c Recertify, out machine.Effects) machine.Effects {
	out = append(out, machine.Note{Name: gdoi.NoteCRLs, Severity: machine.Info, Text: "certificates and revocation lists were taken up"})
	for _, w := range c.Trust.Warnings(now.Wall) {
		out = append(out, machine.Note{Name: gdoi.NoteCRLExpired, Severity: machine.Warning, Text: w})
	}
	return out
}

func revokedNote(s *ike1.Session, why string) machine.Note {
	return machine.Note{
		Name: gdoi.NoteRevoked, Severity: machine.Warning, Peer: s.Remote().String(), Reason: ike1.ReasonRevoked,
		Text: fmt.Sprintf("phase 1 with %s ends: its certificate is revoked, %s", s.PeerCertificate().Subject, why),
	}
}

// phase1Signed hands the custody's answer to the negotiation that waits for it.
func (n *GroupMember) phase1Signed(now machine.Now, ev machine.Signed, out machine.Effects) machine.Effects {
	for _, l := range n.links {
		if l.session == nil {
			continue
		}
		if op, ok := l.session.Signing(); !ok || op != ev.ID {
			continue
		}
		var err error
		if out, err = l.session.Signed(now, ev, out); err != nil {
			out = append(n.drops.failed(now, err, l.ks, out), signFailed(l.session, err))
		}
		return n.settle(now, l, err, out)
	}
	return out
}

// trust takes up new revocation lists: a key server that they name is left.
func (n *GroupMember) trust(now machine.Now, c Recertify, out machine.Effects) machine.Effects {
	c.takenUp(&n.cfg.Phase1)
	out = trusted(now, c, out)
	ended := 0
	for _, l := range n.links {
		if l.session == nil {
			continue
		}
		text, revoked := c.Trust.Revoked(l.session.PeerCertificate())
		if !revoked {
			continue
		}
		ended++
		s := l.session
		l.session, l.up = nil, false
		out = append(out, revokedNote(s, text))
		out = n.bury(now, s, s.Revoked(out))
	}
	return append(out, gdoi.CommandResult{ID: c.ID, Text: fmt.Sprintf("certificates and revocation lists taken up; %d sessions ended", ended)})
}
