package coop

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Cell is one key server's part in the cooperation over one group: who is there, who is primary, and how the group's state
// gets from the primary to the others. Terms name primaries: the lowest three bits are the key server's number, so that no
// two primaries ever have one term, whatever has become of the network.
type Cell struct {
	env   *machine.Env
	cfg   Config
	group Group
	peers []*peer // by id

	role    Role
	term    uint64 // of the primary that is followed, or was last
	highest uint64 // seen
	primary ID
	last    ID // the primary before
	since   time.Time
	// has is what the group has: on its disk, if it is not this key server that is primary.
	has Version
	// joinedTerm and joinedAsk name the primary whose state that is: a term alone may come twice, when somebody has lost his disk.
	joinedTerm uint64
	joinedAsk  uint32
	// led says that there was a primary since the start, or since this process woke up.
	led bool
	// waited says that the others had time to be heard.
	waited bool
	// vacant is since when there is none, patient until when the others are waited for.
	vacant, patient machine.Instant
	// open is since when nothing stands in the way of an election; never: something does.
	open machine.Instant
	// former is the digest of the last primary's policy.
	former   [32]byte
	followed bool // former is set

	// digest is the group's, which changes only with its configuration.
	digest [32]byte
	// ask is another number in every process, and after every pause.
	ask uint32

	started  bool
	announce machine.Timer
	said     Status // the last one

	// candidacy: the term that is being written, before it is begun.
	candidacy uint64
	reason    string
	writing   machine.PersistID
	unwritten bool // the last write failed, or is late
	retry     machine.Timer
	late      machine.Timer

	handover  *handover
	custody   custody
	follow    follow
	replica   replica
	ready     bool
	why       string
	readySet  bool
	diff      []string // of ours with the digest diffOf
	diffOf    [32]byte
	confirmed uint64 // reports up to this one
	split     time.Time
	wrongTime uint64 // announcements
	history   []Election
}

// Bucket is where a cell's records are.
func Bucket(name string) string { return "coop/" + name }

const (
	stateKey    = "state"
	stateLen    = 1 + 8 + 8
	maxHistory  = 32
	minPatience = 2 * time.Second
)

// New prepares a cell. stored holds its records, among others. hasState says that the group has records.
func New(env *machine.Env, cfg Config, group Group, stored []machine.Record, hasState bool) *Cell {
	cfg.Timers = cfg.Timers.WithDefaults()
	c := &Cell{env: env, cfg: cfg, group: group, open: never, ask: env.Uint32()}
	for _, p := range cfg.Peers {
		c.peers = append(c.peers, &peer{Peer: p})
	}
	slices.SortFunc(c.peers, func(a, b *peer) int { return int(a.ID) - int(b.ID) })
	for _, r := range stored {
		if r.Bucket == Bucket(cfg.Name) && r.Key == stateKey && len(r.Value) == stateLen && r.Value[0] == 1 {
			c.highest = min(binary.BigEndian.Uint64(r.Value[1:]), maxTerm)
			c.has.Term = min(binary.BigEndian.Uint64(r.Value[9:]), maxTerm)
		}
	}
	// What this key server had when it stopped may be old, so it has to join; but it is more than nothing.
	if !hasState {
		c.has.Term = 0
	} else if c.has.Term == 0 {
		c.has.Term = 1
	}
	return c
}

// Start begins: this key server is secondary, and asks who is there.
func (c *Cell) Start(now machine.Now, out machine.Effects) machine.Effects {
	c.started, c.digest = true, c.group.Digest()
	c.vacant = now.Mono
	c.patient = now.Mono.Add(max(c.cfg.Timers.Detection(), minPatience))
	c.setReady(false, "waiting to hear of the other key servers")
	c.group.SetInStep(now, 0)
	return c.settle(now, c.announceTo(now, nil, true, out))
}

// Configure changes the priority, the public key, and the transport key, of this key server.
func (c *Cell) Configure(now machine.Now, priority int, key, transport []byte, out machine.Effects) machine.Effects {
	c.cfg.Priority, c.digest = priority, c.group.Digest()
	out = c.Announce(now, key, out)
	if !bytes.Equal(c.cfg.Transport, transport) && len(transport) > 0 {
		c.cfg.Transport = transport
		for _, p := range c.peers {
			if p.known {
				out = c.send(now, p, &Transport{Key: transport}, out)
			}
		}
	}
	return c.settle(now, out) // the policy may have changed as well
}

// Announce tells the other key servers the public key that this one signs PUSH messages with, or is to.
func (c *Cell) Announce(now machine.Now, key []byte, out machine.Effects) machine.Effects {
	if bytes.Equal(c.cfg.Key, key) || len(key) == 0 {
		return out
	}
	c.cfg.Key = key
	for _, p := range c.peers {
		if p.known {
			out = c.send(now, p, &Key{DER: key}, out)
		}
	}
	return out
}

// record is the durable part: the highest term, and that of the state that the group has.
func (c *Cell) record(highest, has uint64) machine.Record {
	b := append(make([]byte, 0, stateLen), 1)
	b = binary.BigEndian.AppendUint64(b, highest)
	return machine.Record{Bucket: Bucket(c.cfg.Name), Key: stateKey, Value: binary.BigEndian.AppendUint64(b, has)}
}

// Forget deletes the records of a group that is removed.
func Forget(name string) machine.Record { return machine.Record{Bucket: Bucket(name), Key: stateKey} }

// nextTerm is the one that this key server would begin.
func (c *Cell) nextTerm() uint64 { return (c.highest>>3+1)<<3 | uint64(c.cfg.ID-1) }

// termNumber is a term in print.
func termNumber(t uint64) uint64 { return t >> 3 }

// Role and Primary are what members and operators are told.
func (c *Cell) Role() Role { return c.role }

// Primary is whom this key server follows, itself included, and its address; zero: nobody.
func (c *Cell) Primary() (ID, netip.AddrPort) {
	if c.primary == c.cfg.ID {
		return c.primary, c.cfg.Addr
	}
	if p := c.peer(c.primary); p != nil {
		return p.ID, p.Addr
	}
	return 0, netip.AddrPort{}
}

func (c *Cell) peer(id ID) *peer {
	for _, p := range c.peers {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// Deadline says when Timeout wants to be called.
func (c *Cell) Deadline() (machine.Instant, bool) {
	var n machine.Next
	if !c.started {
		return 0, false
	}
	n.Add(c.announce.Deadline())
	n.Add(c.retry.Deadline())
	n.Add(c.late.Deadline())
	for _, p := range c.peers {
		n.Add(p.check.Deadline())
		n.Add(p.later.Deadline())
	}
	if c.role == Secondary && c.primary == 0 && c.candidacy == 0 {
		n.Add(c.electionAt())
	}
	if c.handover != nil {
		n.Add(c.handover.until, true)
	}
	n.Add(c.custody.look.Deadline())
	n.Add(c.custody.steady.Deadline())
	n.Add(c.follow.again.Deadline())
	n.Add(c.replica.check.Deadline())
	return n.At, n.OK
}

// Timeout does what is due.
func (c *Cell) Timeout(now machine.Now, out machine.Effects) machine.Effects {
	if !c.started {
		return out
	}
	for _, p := range c.peers {
		out = c.watch(now, p, out)
		out = c.askAgain(now, p, out)
	}
	if c.late.Due(now.Mono) {
		c.unwritten = true // others should not wait for this disk
	}
	if c.announce.Due(now.Mono) {
		out = c.announceTo(now, nil, false, out)
	}
	if c.retry.Due(now.Mono) && c.candidacy != 0 {
		c.abandonCandidacy()
	}
	out = c.watchCustody(now, out)
	return c.settle(now, out)
}

// settle draws the consequences of whatever has happened.
func (c *Cell) settle(now machine.Now, out machine.Effects) machine.Effects {
	c.watchKeys(now)
	out = c.watchHandover(now, out)
	out = c.decide(now, out)
	out = c.replicate(now, out)
	out = c.watchSplit(now, out)
	out = c.judgeReady(now, out)
	return c.announceChange(now, out)
}

// Pump passes on what the group has changed, to be called at the end of each step.
func (c *Cell) Pump(now machine.Now, out machine.Effects) machine.Effects {
	if !c.started {
		return out
	}
	if c.watchKeys(now) {
		return c.settle(now, out)
	}
	return c.replicate(now, out)
}

// Persisted takes the answer to a write of this cell, or of its group.
func (c *Cell) Persisted(now machine.Now, ev machine.Persisted, out machine.Effects) machine.Effects {
	mine := ev.ID == c.writing && c.writing != 0
	if mine {
		out = c.written(now, ev.Err, out)
	}
	out, other := c.applied(now, ev, out)
	out, confirmed := c.confirm(now, ev, out)
	if mine || other || confirmed {
		out = c.settle(now, out)
	}
	return out
}

// never is an instant that does not come.
const never = machine.Instant(math.MaxInt64)
