package coop

import (
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// peer is another key server as this one knows it.
type peer struct {
	Peer
	status Status
	seq    uint64 // of the status on its stream
	known  bool   // status is of the peer as it runs now
	live   bool
	heard  machine.Instant
	said   machine.Instant // its last announcement came then
	ever   bool
	// check is when its silence is looked at; queries that were sent since are unanswered.
	check   machine.Timer
	queries int
	// told is the policy digest that it was told of, ours.
	told       [32]byte
	ask        uint32         // of the process that was greeted
	keys       machine.Bucket // of public keys that are taken from it
	transports machine.Bucket // of transport keys
	noted      [32]byte       // its digest that the journal knows
	policy     Policy         // where it differs from ours
	wrong      string         // what the journal said of it last
	astray     bool           // the journal knows that its time is wrong

	// Of a primary, about this secondary:
	joined    bool
	has       bool   // it has said that it has the state
	sent      uint64 // changes up to this one are on their way
	acked     uint64 // and on its disk
	follows   machine.Instant
	following bool
	broken    bool
	rejoined  machine.Instant // when it was last told to join
	later     machine.Timer   // when it is told to, because its state could not be taken
	confirms  []confirmation
}

// mutual says that the peer hears of us, too, and now.
func (c *Cell) mutual(p *peer) bool {
	return p.live && p.known && p.status.Sees.has(c.cfg.ID) && p.status.Answer == c.ask
}

// seen is the set of key servers that are heard of.
func (c *Cell) seen() (s peerSet) {
	for _, p := range c.peers {
		if p.live {
			s.add(p.ID)
		}
	}
	return s
}

// hear notes that a peer lives.
func (c *Cell) hear(now machine.Now, p *peer, out machine.Effects) machine.Effects {
	p.heard, p.ever, p.queries = now.Mono, true, 0
	p.check.Set(now.Mono.Add(c.cfg.Timers.Dead))
	if p.live || !p.known {
		return out
	}
	p.live = true
	return append(out, c.peerNote(p, gdoi.NoteCoopPeerUp, machine.Info, fmt.Sprintf("key server %d is heard of", p.ID)))
}

// watch asks a silent peer whether it lives, and gives it up when it does not answer.
func (c *Cell) watch(now machine.Now, p *peer, out machine.Effects) machine.Effects {
	if !p.check.Due(now.Mono) || !p.live {
		return out
	}
	if p.queries < c.cfg.Timers.Retries {
		p.queries++
		p.check.Set(now.Mono.Add(c.cfg.Timers.Query))
		return c.announceTo(now, p, true, out)
	}
	return c.lose(now, p, fmt.Sprintf("nothing was heard of key server %d for %v, and it does not answer", p.ID, now.Mono.Sub(p.heard).Round(time.Millisecond)), out)
}

// lose gives a peer up.
func (c *Cell) lose(now machine.Now, p *peer, text string, out machine.Effects) machine.Effects {
	p.live, p.known = false, false
	p.check.Stop()
	out = append(out, c.peerNote(p, gdoi.NoteCoopPeerDown, machine.Warning, text))
	if c.role == Secondary && c.primary == p.ID {
		out = c.vacate(now, "dead", out)
	}
	return out
}

// Live says whether a peer is heard of.
func (c *Cell) Live(id ID) bool { p := c.peer(id); return p != nil && p.live }

// Query asks all peers for an announcement now.
func (c *Cell) Query(now machine.Now, out machine.Effects) machine.Effects {
	return c.announceTo(now, nil, true, out)
}

// AllSaid says whether all peers have announced themselves after an instant, and follow this key server.
func (c *Cell) AllSaid(since machine.Instant) bool {
	return !slices.ContainsFunc(c.peers, func(p *peer) bool {
		return !c.mutual(p) || p.said <= since || p.status.Primary != c.cfg.ID
	})
}

// Connected says that there is a way to a peer now: it hears of us at once.
func (c *Cell) Connected(now machine.Now, id ID, out machine.Effects) machine.Effects {
	if p := c.peer(id); p != nil && c.started {
		out = c.announceTo(now, p, true, out)
	}
	return out
}

// Restarted says that the stream of messages with a peer begins anew: nothing that was under way arrives.
func (c *Cell) Restarted(now machine.Now, id ID, out machine.Effects) machine.Effects {
	p := c.peer(id)
	if p == nil || !c.started {
		return out
	}
	p.seq = 0
	c.Abandoned(id)
	// It may be another process, that knows nothing of what the last one said.
	p.known = false
	return c.settle(now, c.announceTo(now, p, true, out))
}

// Abandoned says that what was under way to a peer, and from it, is given up.
func (c *Cell) Abandoned(id ID) {
	p := c.peer(id)
	if p == nil {
		return
	}
	p.ask, p.told = 0, [32]byte{}
	p.unjoin()
	if c.follow.of == id {
		c.follow = follow{}
	}
}

// greet tells a peer that was not there before what it cannot know.
func (c *Cell) greet(now machine.Now, p *peer, ask uint32, out machine.Effects) machine.Effects {
	if p.ask == ask {
		return out
	}
	c.Abandoned(p.ID)
	p.ask = ask
	if len(c.cfg.Key) > 0 {
		out = c.send(now, p, &Key{DER: c.cfg.Key}, out)
	}
	if len(c.cfg.Transport) > 0 {
		out = c.send(now, p, &Transport{Key: c.cfg.Transport}, out)
	}
	return out
}

// status is what is announced, but for what nobody decides by.
func (c *Cell) status() Status {
	s := Status{
		From: c.cfg.ID, Priority: uint16(c.cfg.Priority), Role: c.role, Ready: c.ready || c.role == Primary && c.flawed() == "", Eligible: c.eligible(), Primary: c.primary,
		Term: c.term, Has: c.has, Sees: c.seen(),
		Digest: c.digest, Ask: c.ask, Software: printable(c.cfg.Software, maxSoftware),
	}
	if c.handover != nil && c.handover.done {
		s.Primary = c.handover.to
	}
	if c.role == Primary {
		s.Has = Version{c.term, c.group.Head()}
	}
	return s
}

// announceTo tells one peer, or all.
func (c *Cell) announceTo(now machine.Now, to *peer, wantReply bool, out machine.Effects) machine.Effects {
	s := c.status()
	s.Epoch, s.Members = c.group.Epoch(), uint32(c.group.MemberCount())
	s.Time, _ = c.pseudotime(now)
	for _, p := range c.peers {
		if to == nil || to == p {
			s.Answer = p.status.Ask
			// What is not sent is sent with the next one.
			out, _ = p.Link.Announce(now, Encode(c.cfg.Group, &s), wantReply, out)
		}
	}
	if to == nil {
		s.Answer = 0
		c.said = s
		c.announce.Set(now.Mono.Add(c.cfg.Timers.Announce))
	}
	return out
}

// announceChange tells all, out of turn, what others decide by.
func (c *Cell) announceChange(now machine.Now, out machine.Effects) machine.Effects {
	s, said := c.status(), c.said
	s.Has.N, said.Has.N, said.Epoch, said.Members, said.Time = 0, 0, 0, 0, 0
	if s == said {
		return out
	}
	return c.announceTo(now, nil, false, out)
}

// send sends a message reliably.
func (c *Cell) send(now machine.Now, p *peer, m Message, out machine.Effects) machine.Effects {
	out, err := p.Link.Send(now, Encode(c.cfg.Group, m), out)
	if err != nil {
		p.joined, p.told = false, [32]byte{}
		if c.follow.of == p.ID {
			c.follow = follow{}
		}
		out = append(out, c.peerNote(p, gdoi.NoteCoopPeerDown, machine.Warning, err.Error()))
	}
	return out
}

func (c *Cell) note(name string, s machine.Severity, text string, fields ...machine.Field) machine.Note {
	return machine.Note{Name: name, Severity: s, Group: c.cfg.Name, Text: text, Fields: fields}
}

func (c *Cell) peerNote(p *peer, name string, s machine.Severity, text string, fields ...machine.Field) machine.Note {
	n := c.note(name, s, text, append(fields, machine.F("ks", fmt.Sprint(p.ID)))...)
	n.Peer = p.Addr.String()
	return n
}
