package sim

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// Checker models the data planes and watches the invariants; the package comment lists them.
//
// A run of several groups has one for each. What is about key servers and not about a group, the first of them watches.
type Checker struct {
	s     *Sim
	group string
	plane map[*Node]*plane

	counters  map[counterSpace]string // who has it
	keys      map[gdoi.SPI][32]byte
	sequence  map[line]uint32    // as sent
	numbers   map[rekey][32]byte // which datagram has a number
	announced rekey
	rekeys    map[[32]byte]rekey // by digest of the datagram
	left      map[departure]bool // what was really sent
	// removed members, and the SPIs that there were then.
	removed map[*Node]map[gdoi.SPI]bool

	registered int
	installed  map[gdoi.SPI]int // at how many registered members
	sending    map[gdoi.SPI]int // how many of them send with it
	apart      bool
	apartFrom  machine.Instant
	apartTotal time.Duration
	changed    bool
	lost       string // the first loss that Flows have found

	pairs     map[[2]*Node]*pair
	lastFault machine.Instant
	lastTEK   machine.Instant // when a key was made
	// lastParting is when members came to be on one side, or on different ones.
	lastParting machine.Instant
	reported    map[string]bool // since the last fault
	// forbidden are members that must not get a key, because who made it knew that they were removed.
	forbidden map[gdoi.SPI]map[*Node]bool
	secrets   []secret
	keks      kekWatch
}

// line is the rekeys of one key server under one KEK to one address.
type line struct {
	from *Node
	kek  string
	to   netip.AddrPort
}

// departure is a datagram to an address.
type departure struct {
	digest [32]byte
	to     netip.AddrPort
}

// Violation is a broken invariant.
type Violation struct {
	At   time.Duration
	Node string
	// Rule is a word for the invariant, so that two runs can be compared.
	Rule string
	Text string
}

func (v Violation) String() string { return fmt.Sprintf("%v %s: %s: %s", v.At, v.Node, v.Rule, v.Text) }

// counterSpace is one sender's IVs under one key.
type counterSpace struct {
	key [32]byte
	sid gdoi.SID
}

// sa is what a data plane holds of an SA.
type sa struct {
	gdoi.TEK
	class     int
	selectors policy.List
	sids      []gdoi.SID
	counted   bool // in the counters of the Checker
}

// plane is the data plane of one member.
type plane struct {
	registered bool
	removed    bool // counts no longer
	sas        map[gdoi.SPI]*sa
	sending    map[int]gdoi.SPI // by class
	policy     gdoi.SetPolicy   // the last
	early      bool             // sending has changed in this step
	time       groupTime
	lastSeq    map[string]uint32
}

func newChecker(s *Sim, group string) *Checker {
	return &Checker{
		s: s, group: group, plane: map[*Node]*plane{}, counters: map[counterSpace]string{}, keys: map[gdoi.SPI][32]byte{},
		sequence: map[line]uint32{}, numbers: map[rekey][32]byte{}, rekeys: map[[32]byte]rekey{}, left: map[departure]bool{}, removed: map[*Node]map[gdoi.SPI]bool{},
		installed: map[gdoi.SPI]int{}, sending: map[gdoi.SPI]int{},
		keks:  kekWatch{values: map[string][][]byte{}, made: map[string]string{}},
		pairs: map[[2]*Node]*pair{}, reported: map[string]bool{}, forbidden: map[gdoi.SPI]map[*Node]bool{},
	}
}

// Violations are the broken invariants of the run, in order.
func (c *Checker) Violations() []Violation { return c.s.violations }

// Registered is how many members say that they are.
func (c *Checker) Registered() int { return c.registered }

// Together says that every registered member can read every other now.
func (c *Checker) Together() bool { return !c.apart }

// Apart is how long some registered member could not read another, in all.
func (c *Checker) Apart() time.Duration {
	d := c.apartTotal
	if c.apart {
		d += c.s.now.Sub(c.apartFrom)
	}
	return d
}

// Sending is the SPI that a member of a group with one SA sends with; 0 for none.
func (c *Checker) Sending(n *Node) (spi gdoi.SPI) {
	for _, s := range c.of(n).sending {
		spi = max(spi, s)
	}
	return spi
}

// Holds says whether a member receives with an SPI.
func (c *Checker) Holds(n *Node, spi gdoi.SPI) bool { _, ok := c.of(n).sas[spi]; return ok }

// SPIs is how many keys a member holds.
func (c *Checker) SPIs(n *Node) int { return len(c.of(n).sas) }

func (c *Checker) of(n *Node) *plane {
	p := c.plane[n]
	if p == nil {
		p = &plane{removed: c.removed[n] != nil, sas: map[gdoi.SPI]*sa{}, sending: map[int]gdoi.SPI{}, lastSeq: map[string]uint32{}, time: groupTime{floors: map[gdoi.SPI]time.Duration{}}}
		c.plane[n] = p
	}
	return p
}

func (c *Checker) violate(n *Node, rule, format string, args ...any) {
	name := ""
	if n != nil {
		name = n.Name
	}
	v := Violation{c.s.Now(), name, rule, fmt.Sprintf(format, args...)}
	c.s.violations = append(c.s.violations, v)
	c.s.log(Entry{Kind: "violation", Node: name, Text: rule + ": " + v.Text})
}

// count adds a member's plane to the totals, or takes it off.
func (c *Checker) count(p *plane, d int) {
	c.changed = true
	if !p.registered || p.removed {
		return
	}
	c.registered += d
	for spi := range p.sas {
		add(c.installed, spi, d)
	}
	for class, spi := range p.sending {
		if p.uses(class) {
			add(c.sending, spi, d)
		}
	}
}

func add(m map[gdoi.SPI]int, spi gdoi.SPI, d int) {
	if m[spi] += d; m[spi] == 0 {
		delete(m, spi)
	}
}

func (c *Checker) effect(n *Node, e machine.Effect) {
	p := c.of(n)
	c.count(p, -1)
	defer c.count(p, +1)
	switch e := e.(type) {
	case gdoi.InstallSA:
		c.install(n, p, e)
	case gdoi.ActivateSA:
		c.activate(n, p, e.Class, e.SPI)
	case gdoi.RetireSA:
		t, ok := p.sas[e.SPI]
		if !ok {
			c.violate(n, "install", "retires %v, which it does not hold", e.SPI)
			return
		}
		t.Key.Destroy()
		delete(p.sas, e.SPI)
		delete(p.time.floors, e.SPI)
		if p.sending[t.class] == e.SPI {
			delete(p.sending, t.class)
		}
	case gdoi.SetTime:
		p.time.set(e, p.sas)
	case gdoi.SetPolicy:
		p.registered, p.policy, p.early = e.Registered, e, true
	}
}

func (c *Checker) install(n *Node, p *plane, e gdoi.InstallSA) {
	key := sha256.Sum256(e.TEK.Key.Bytes())
	if known, ok := c.keys[e.TEK.SPI]; ok && known != key {
		c.violate(n, "spi", "SPI %v names two keys", e.TEK.SPI)
	}
	c.keys[e.TEK.SPI] = key
	c.secret(e.TEK)
	if c.forbidden[e.TEK.SPI][n] {
		c.violate(n, "removed", "has %v, which was made by a key server that had removed it", e.TEK.SPI)
	}
	if known := c.removed[n]; known != nil && !known[e.TEK.SPI] && c.s.cfg.Coop == nil {
		c.violate(n, "removed", "was removed and has %v, which was made after that", e.TEK.SPI)
	}
	if len(e.SIDs) == 0 {
		c.violate(n, "install", "%v without a sender id", e.TEK.SPI)
	}
	for _, sid := range e.SIDs {
		if uint64(sid)>>e.SIDBits != 0 {
			c.violate(n, "install", "sender id %d is wider than %d bits", sid, e.SIDBits)
		}
	}
	if old, ok := p.sas[e.TEK.SPI]; ok {
		old.Key.Destroy()
	}
	e.TEK.SendAfter, e.TEK.Expires = n.wallTime(e.TEK.SendAfter), n.wallTime(e.TEK.Expires)
	p.sas[e.TEK.SPI] = &sa{TEK: e.TEK, class: e.Class, selectors: e.Selectors, sids: slices.Clone(e.SIDs)}
	p.time.installed(e.TEK.SPI)
	if c.s.cfg.Coop == nil || e.Send {
		c.claim(n, p.sas[e.TEK.SPI])
	}
	if e.Send {
		p.sending[e.Class] = e.TEK.SPI
	}
}

func (c *Checker) activate(n *Node, p *plane, class int, spi gdoi.SPI) {
	if s, ok := p.sas[spi]; !ok || s.class != class {
		c.violate(n, "install", "sends class %d with %v, which it does not hold for it", class, spi)
		return
	}
	p.early = true
	p.sending[class] = spi
	c.claim(n, p.sas[spi])
}

// claim notes who counts packets under the key of an SA with its sender ids. A group of one key server gives nobody ids that
// somebody else has. Where several states become one, members may have those of others, as long as they only receive.
func (c *Checker) claim(n *Node, s *sa) {
	if s.counted {
		return
	}
	s.counted = true
	key := c.keys[s.SPI]
	for _, sid := range s.sids {
		space := counterSpace{key, sid}
		if who, ok := c.counters[space]; ok {
			c.violate(n, "counter", "sender id %d under %v is given a second time; first to %s", sid, s.SPI, who)
		}
		c.counters[space] = n.Name
	}
}

// tooEarly looks at an activation when the step is over, since the old key may retire in the same step.
func (c *Checker) tooEarly(n *Node, p *plane) {
	p.early = false
	now := c.s.cfg.epoch().Add(time.Duration(n.clock().Mono))
	for i, class := range p.policy.Classes {
		t, ok := p.sas[p.sending[class]]
		if !ok || p.policy.Policy[i].Action != policy.Permit || !now.Before(t.SendAfter) {
			continue
		}
		for _, o := range p.sas {
			if o.SendAfter.Before(t.SendAfter) && protects(o, p.policy.Policy[i]) {
				c.violate(n, "early", "sends with %v %v before its activation, and holds %v", t.SPI, t.SendAfter.Sub(now), o.SPI)
				return
			}
		}
	}
}

// rekey is a sequence number under a KEK.
type rekey struct {
	kek string
	seq uint32
}

// note reads sequence numbers off the journal. That of a key server comes right before the first datagrams.
func (c *Checker) note(n *Node, e machine.Note) {
	c.leaks(n, e)
	c.kekNote(n, e)
	if e.Name == gdoi.NoteKEKRetired && n.index > 0 {
		// If it comes back it comes with a registration, which says where its numbers are.
		for kek := range c.of(n).lastSeq {
			if strings.Contains(e.Text, kek) {
				delete(c.of(n).lastSeq, kek)
			}
		}
	}
	if e.Name == gdoi.NoteTEKCreated {
		c.made(n, e)
	}
	if e.Name != gdoi.NoteRekeySent && e.Name != gdoi.NoteRekeyReceived {
		return
	}
	seq, _ := strconv.ParseUint(field(e, "seq"), 10, 32)
	r := rekey{field(e, "kek"), uint32(seq)}
	if e.Name == gdoi.NoteRekeySent {
		c.announced = r
		return
	}
	last := c.of(n).lastSeq
	if r.seq <= last[r.kek] {
		c.violate(n, "seq", "accepts rekey %d under KEK %s after %d", r.seq, r.kek, last[r.kek])
	}
	last[r.kek] = r.seq
}

func field(e machine.Note, key string) string {
	for _, f := range e.Fields {
		if f.Key == key {
			return f.Value
		}
	}
	return ""
}

// pushed learns which datagram has which number, when the machine asks for it.
func (c *Checker) pushed(b []byte) {
	if isPush(b) {
		digest := sha256.Sum256(b)
		if _, ok := c.rekeys[digest]; !ok {
			c.rekeys[digest] = c.announced
		}
	}
}

// transmitted sees what really leaves, after the store has written. Repetitions are identical. What one address gets goes
// up; messages to different members may be signed in another order.
func (c *Checker) transmitted(n *Node, to netip.AddrPort, b []byte) {
	if !isPush(b) {
		return
	}
	digest := sha256.Sum256(b)
	if _, ok := c.rekeys[digest]; !ok && len(c.s.checks) > 1 {
		return // of another group
	}
	if c.left[departure{digest, to}] {
		return
	}
	c.left[departure{digest, to}] = true
	r := c.rekeys[digest]
	if other, ok := c.numbers[r]; ok && other != digest {
		c.violate(n, "seq", "sends another rekey %d under KEK %s", r.seq, r.kek)
	}
	c.numbers[r] = digest
	l := line{n, r.kek, to}
	if r.seq <= c.sequence[l] {
		c.violate(n, "seq", "sends rekey %d under KEK %s to %v after %d", r.seq, r.kek, to, c.sequence[l])
	}
	c.sequence[l] = r.seq
}

// isPush looks at the exchange type in the ISAKMP header.
func isPush(b []byte) bool {
	return len(b) > isakmp.HeaderLen && isakmp.ExchangeType(b[18]) == isakmp.ExchangeGroupkeyPush
}

// stepped looks at the node that made a step, and at everybody if a key changed.
func (c *Checker) stepped(n *Node) {
	if n.index > 0 {
		p := c.of(n)
		if p.early {
			c.tooEarly(n, p)
		}
		if p.registered != (len(p.sas) > 0) {
			c.violate(n, "registered", "registered is %v with %d keys", p.registered, len(p.sas))
		}
		if why := p.mute(); why != "" {
			c.violate(n, "mute", "registered, but %s", why)
		}
		for spi, t := range p.sas {
			if over := c.s.cfg.epoch().Add(time.Duration(n.clock().Mono)).Sub(t.Expires); over > 0 {
				c.violate(n, "late", "holds %v %v after its end", spi, over)
			}
		}
	}
	if !c.changed {
		return
	}
	c.changed = false
	apart := false
	for spi := range c.sending {
		apart = apart || c.installed[spi] != c.registered
	}
	apart = c.lossy() || apart
	if apart && !c.apart {
		c.apartFrom = c.s.now
	}
	if !apart && c.apart {
		c.apartTotal += c.s.now.Sub(c.apartFrom)
	}
	c.apart = apart
	c.judge()
}

// crashed forgets the data plane of a node.
func (c *Checker) crashed(n *Node) {
	if n.index <= 0 {
		return
	}
	c.count(c.of(n), -1)
	delete(c.plane, n)
	c.stepped(n)
}

// settle looks once more at everybody, at the end of a run.
func (c *Checker) settle() {
	for _, n := range c.s.nodes[1:] {
		if n.Up() {
			c.stepped(n)
		}
	}
}

// sortedSPIs lists them in order.
func sortedSPIs(m map[int]gdoi.SPI) []gdoi.SPI { return slices.Sorted(maps.Values(m)) }

// unreadable lists, in order, the keys that others on the same side of every partition send with and this member, if it
// is registered, does not hold.
func (c *Checker) unreadable(n *Node) []gdoi.SPI {
	p := c.of(n)
	if !p.registered {
		return nil
	}
	seen := map[gdoi.SPI]bool{}
	var out []gdoi.SPI
	for _, o := range c.s.nodes[1:] {
		q := c.plane[o]
		if q == nil || !q.registered || !c.s.carries(o, n) {
			continue
		}
		for class, spi := range q.sending {
			if _, ok := p.sas[spi]; !ok && q.uses(class) && !seen[spi] {
				seen[spi] = true
				out = append(out, spi)
			}
		}
	}
	slices.Sort(out)
	return out
}
