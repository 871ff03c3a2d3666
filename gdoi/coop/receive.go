package coop

import (
	"errors"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Receive takes a message of a peer; announcement says which way it came, and seq its place among all that came that way.
// What an error drops has changed nothing.
func (c *Cell) Receive(now machine.Now, from ID, body []byte, announcement, wantReply bool, seq uint64, out machine.Effects) (machine.Effects, error) {
	p := c.peer(from)
	if p == nil || !c.started {
		return out, fmt.Errorf("coop: no key server %d in group %s", from, c.cfg.Name)
	}
	if _, version, err := GroupOf(body); err == nil && version != ProtocolVersion {
		out = c.complain(p, fmt.Sprintf("key server %d speaks version %d of the protocol, and this one version %d; install releases that fit", from, version, ProtocolVersion), out)
	}
	_, m, err := Decode(body)
	if err != nil {
		return out, err
	}
	if t := termOf(m); t > c.highest+maxJump {
		return out, fmt.Errorf("%w: term %d, when the last one is %d", ErrMalformed, t, c.highest)
	}
	s, isStatus := m.(*Status)
	if isStatus != announcement {
		return out, fmt.Errorf("%w: kind %d came the wrong way", ErrMalformed, m.kind())
	}
	if isStatus {
		if s.From != from {
			text := fmt.Sprintf("key server %d says that it is number %d; give every key server one number, the same everywhere", from, s.From)
			return c.complain(p, text, out), errors.New("coop: " + text)
		}
		if seq > p.seq {
			p.seq = seq
			out = c.takeStatus(now, p, s, out)
		}
		if wantReply {
			out = c.announceTo(now, p, false, out)
		}
		return c.settle(now, out), nil
	}
	out = c.hear(now, p, out)
	switch m := m.(type) {
	case *Key:
		if p.keys.Take(now.Mono, maxKeys, time.Minute) { // each one that is new is told to all members
			out = c.group.Trust(now, p.ID, m.DER, out)
		}
	case *Transport:
		if p.transports.Take(now.Mono, maxKeys, time.Minute) { // all KEKs are wrapped for each one that is new
			out = c.group.TrustTransport(now, p.ID, m.Key, out)
		}
	case *Policy:
		p.policy = *m
		if p.ID == c.primary {
			c.diff = nil
		}
	case *Join:
		out = c.takeJoin(now, p, m, out)
	case *State:
		out = c.takeState(now, p, m, out)
	case *Have:
		if c.role == Primary && p.joined && m.Version.Term == c.term && m.Version.N <= p.sent {
			p.has, p.acked = true, max(p.acked, m.Version.N)
		}
	case *Report:
		out = c.takeReport(now, p, m, out)
	case *Reported:
		if c.role == Secondary && p.ID == c.primary && m.Term == c.term {
			c.reportedUpTo(min(m.N, c.follow.reported))
		}
	case *Rejoin:
		if c.role == Secondary && p.ID == c.primary && m.Term == c.term {
			out = c.rejoin(now, "the primary asks to join again", 0, out)
		}
	case *Broken:
		if c.role == Primary && m.Term == c.term {
			p.broken, p.joined = true, false
			out = append(out, c.peerNote(p, gdoi.NoteCoopBlocked, machine.Warning, fmt.Sprintf("key server %d cannot take the state: %s", p.ID, m.Why)))
		}
	case *Handover:
		out = c.takeHandover(now, p, m, out)
	}
	return c.settle(now, out), nil
}

// complain tells the journal once what an operator has to mend.
func (c *Cell) complain(p *peer, text string, out machine.Effects) machine.Effects {
	if p.wrong == text {
		return out
	}
	p.wrong = text
	return append(out, c.peerNote(p, gdoi.NoteCoopBlocked, machine.Error, text))
}

// maxKeys is how many public keys a peer may have at once; another one every minute.
const maxKeys = 4

// maxJump is more than terms can grow while a key server does not listen. Whoever announces more would leave no terms to others.
const maxJump = 1 << 32

// termOf is the highest term that a message speaks of.
func termOf(m Message) uint64 {
	switch m := m.(type) {
	case *Status:
		return max(m.Term, m.Has.Term)
	case *Join:
		return max(m.Term, m.Have.Term)
	case *Have:
		return m.Version.Term
	}
	return 0 // they have to be of the term that is
}

// takeStatus takes what a peer announces of itself.
func (c *Cell) takeStatus(now machine.Now, p *peer, s *Status, out machine.Effects) machine.Effects {
	out = c.greet(now, p, s.Ask, out)
	p.status, p.known, p.said = *s, true, now.Mono
	c.highest = max(c.highest, s.Term)
	out = c.hear(now, p, out)
	out = c.judgeTime(now, p, out)
	if p.ID == c.primary && c.role == Secondary {
		c.former, c.followed = s.Digest, true
	}
	ours := c.digest
	if s.Digest == ours {
		p.noted, p.told = [32]byte{}, [32]byte{}
	} else if p.told != ours {
		// Both sides may show it.
		p.told = ours
		out = c.send(now, p, &Policy{Digest: ours, Lines: policyLines(c.group.PolicyText())}, out)
	}
	if c.role != Primary {
		return out
	}
	if s.Digest != ours && p.noted != s.Digest {
		p.noted = s.Digest
		out = append(out, c.peerNote(p, gdoi.NoteCoopPolicy, machine.Warning,
			fmt.Sprintf("the policy of key server %d differs from the one here, so it registers nobody; it shows how", p.ID)))
	}
	if s.Primary == c.cfg.ID && s.Role == Secondary && s.Has.Term == c.term && !p.joined && !p.broken {
		out = c.tellRejoin(now, p, out) // it believes itself in step
	}
	return out
}

// policyLines makes lines fit to be sent.
func policyLines(text []string) []string {
	var out []string
	for _, l := range text[:min(len(text), maxLines)] {
		out = append(out, printable(l, maxWhy))
	}
	return out
}
