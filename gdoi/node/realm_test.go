package node

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
)

// realm is three key servers of one group, which the test tells who is primary, and members. All that is under way takes 5 ms.
type realm struct {
	t       testing.TB
	now     machine.Now
	servers []*realmServer
	members []*realmMember
	flights []flight
	log     int
	side    map[netip.Addr]int // who is where; datagrams stay on their side
	lose    func(machine.Datagram) bool
	users   map[use]*realmMember // who sends with which sender id under which key
	apart   map[[2]int]machine.Instant
	gaps    []gap
	notes   map[string]int
	told    []string
	course  []string // what a random play did, which is in told too
	results []gdoi.CommandResult
	asked   []string // of key custodies: by whom, what, of which key
	// excused are pairs that may be apart, because they were on different sides, until they can talk again.
	excused map[[2]int]bool
	wrong   []string
	fork    bool  // sides may lose each other
	loose   bool  // a key server is dead that nobody has met since it was apart
	removed []int // members that do not count
}

var errDisk = errors.New("the disk is broken")

type flight struct {
	at machine.Instant
	d  machine.Datagram
}

type use struct {
	spi gdoi.SPI
	sid gdoi.SID
}

// gap is a time in which one member could not read another.
type gap struct {
	from, to  int
	begin, at machine.Instant
}

type realmServer struct {
	id      coop.ID
	addr    netip.AddrPort
	cfg     keyserver.Config
	n       *KeyServer
	disk    map[string]machine.Record
	primary *realmServer
	has     uint64
	lives   byte
	dead    bool
	broken  bool // its disk
	hangs   bool // its disk, and behind it is what waits
	behind  machine.Effects
	version uint64   // of the keys; with it:
	newest  gdoi.SPI // the last TEK
}

type realmMember struct {
	addr     netip.AddrPort
	n        *GroupMember
	holds    map[gdoi.SPI][]gdoi.SID
	retired  map[gdoi.SPI]bool
	sending  gdoi.SPI
	reported machine.Instant // unknown traffic
}

const latency = 5 * time.Millisecond

func newRealm(t testing.TB, members int, change func(*keyserver.Config)) *realm {
	r := emptyRealm(t)
	for id := coop.ID(1); id <= 3; id++ {
		cfg := blue(t)
		cfg.Coop = &keyserver.Cooperation{ID: id, IDs: []coop.ID{1, 2, 3}}
		r.start(r.addServer(id, cfg, change))
	}
	r.elect(r.servers[0], r.servers...)
	r.addMembers(members)
	r.run(10 * time.Second)
	if text := r.silent(); text != "" {
		t.Fatalf("at the beginning: %s", text)
	}
	r.gaps = nil
	return r
}

func emptyRealm(t testing.TB) *realm {
	return &realm{
		t: t, now: machine.Now{Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, side: map[netip.Addr]int{}, users: map[use]*realmMember{},
		apart: map[[2]int]machine.Instant{}, notes: map[string]int{},
	}
}

// addServer adds a key server, which does not run yet; change may be nil.
func (r *realm) addServer(id coop.ID, cfg keyserver.Config, change func(*keyserver.Config)) *realmServer {
	if change != nil {
		change(&cfg)
	}
	s := &realmServer{id: id, cfg: cfg, addr: ksAt(id), disk: map[string]machine.Record{}}
	r.servers = append(r.servers, s)
	return s
}

// addMembers adds members, each third of which prefers another key server.
func (r *realm) addMembers(n int) {
	for i := range n {
		var list []netip.AddrPort
		for _, s := range r.servers {
			list = append(list, s.addr)
		}
		k := i % 3
		list[0], list[k] = list[k], list[0]
		r.join(gmAddr(i+1), list...)
	}
}

// join adds a member.
func (r *realm) join(addr netip.AddrPort, servers ...netip.AddrPort) *realmMember {
	m := &realmMember{addr: addr, holds: map[gdoi.SPI][]gdoi.SID{}, retired: map[gdoi.SPI]bool{}}
	r.members = append(r.members, m)
	n, err := NewGroupMember(seeded(m.addr.Addr().As4()[3]+100), GMConfig{Local: m.addr, Phase1: phase1(rightPSK), Groups: []member.Config{{Name: "blue", ID: blueID, KeyServers: servers}}})
	r.must(err)
	m.n = n
	r.do(m.addr, n.Step(r.now, machine.Timeout{}, nil))
	return m
}

func (r *realm) start(s *realmServer) {
	s.primary, s.has, s.newest = nil, 0, 0
	r.startAs(s, nil)
}

// startAs starts a key server from its disk; c is its cooperation with others, nil if the test does it.
func (r *realm) startAs(s *realmServer, c *Coop) {
	s.lives++
	n, err := NewKeyServer(seeded(byte(s.id)*20+s.lives), KSConfig{Local: s.addr, Phase1: phase1(rightPSK), Groups: []keyserver.Config{s.cfg}, Coop: c}, stored(s.disk))
	r.must(err)
	s.n, s.dead = n, false
	r.do(s.addr, n.Step(r.now, machine.Timeout{}, nil))
}

func (s *realmServer) group() *keyserver.Group { return s.n.groups[0] }

// elect makes s primary of the given servers.
func (r *realm) elect(s *realmServer, of ...*realmServer) {
	r.do(s.addr, s.group().TakeOver(r.now, uint64(r.now.Mono)+1, nil))
	s.primary = s
	for _, o := range of {
		if o != s {
			o.primary, o.has = s, 0
		}
	}
	r.replicate()
}

// replicate brings all copies up to date with their primaries.
func (r *realm) replicate() {
	for _, p := range r.servers {
		if p.dead || p.primary != p {
			continue
		}
		g, followers := p.group(), 0
		for _, s := range r.servers {
			if s.dead || s == p || s.primary != p || r.side[s.addr.Addr()] != r.side[p.addr.Addr()] {
				continue
			}
			followers++
			c := s.group()
			if records, n := c.Reports(r.now); len(records) > 0 && s.has > 0 {
				out, err := g.Adopt(r.now, 0, s.id, records, nil)
				r.must(err)
				c.Reported(n)
				r.do(p.addr, out)
			}
			if s.has == 0 || s.has < g.Head() {
				full := s.has == 0 || !g.Reaches(s.has)
				from := s.has
				if full {
					from = 0
				}
				out, _, err := c.Apply(r.now, 0, g.Since(r.now, from), full, nil)
				r.must(err)
				s.has = g.Head()
				c.SetReady(true, "")
				r.do(s.addr, out)
			}
		}
		g.SetInStep(r.now, followers)
		r.do(p.addr, g.Replicated(r.now, math.MaxUint64, nil))
	}
}

func (r *realm) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// merge has s hand over all that it has to p, and follow it. It says whether there was news.
func (r *realm) merge(p, s *realmServer) bool {
	r.t.Helper()
	r.do(s.addr, s.group().StandDown(r.now, nil))
	_, n := s.group().Reports(r.now)
	news, out, err := p.group().Merge(r.now, 0, s.id, s.group().Since(r.now, 0), nil)
	r.must(err)
	s.group().Reported(n)
	s.primary, s.has = p, 0
	r.replicate()
	r.do(p.addr, out)
	r.replicate()
	return news
}

// do carries out the effects of a node.
func (r *realm) do(from netip.AddrPort, out machine.Effects) {
	for _, e := range out {
		switch e := e.(type) {
		case machine.Send:
			r.log++
			r.flights = append(r.flights, flight{r.now.Mono.Add(latency), machine.Datagram{Local: e.Remote, Remote: from, Bytes: bytes.Clone(e.Bytes)}})
		case machine.Note:
			r.notes[e.Name]++
			if e.Severity >= machine.Warning || e.Name == gdoi.NoteRekeySent || strings.HasPrefix(e.Name, "coop") {
				r.told = append(r.told, fmt.Sprintf("%v %v %s: %s", time.Duration(r.now.Mono), from.Addr(), e.Name, e.Text))
			}
		case gdoi.CommandResult:
			r.results = append(r.results, e)
		case machine.Persist:
			s := r.serverAt(from)
			if s.hangs {
				s.behind = append(s.behind, e)
				continue
			}
			if s.broken {
				r.do(from, s.n.Step(r.now, machine.Persisted{ID: e.ID, Err: errDisk}, nil))
				continue
			}
			for _, rec := range e.Records {
				if s.disk[rec.Key] = rec; rec.Value == nil {
					delete(s.disk, rec.Key)
				}
			}
			r.do(from, s.n.Step(r.now, machine.Persisted{ID: e.ID}, nil))
		case machine.Sign:
			r.do(from, r.serverAt(from).n.Step(r.now, signRSA(custody(e.Key), e), nil))
		case machine.KeyCall:
			r.asked = append(r.asked, fmt.Sprintf("%d %d %s", r.serverAt(from).id, e.Op, e.Key))
			r.do(from, r.serverAt(from).n.Step(r.now, machine.KeyDone{ID: e.ID}, nil))
		default:
			r.dataPlane(from, e)
		}
	}
}

func (r *realm) serverAt(a netip.AddrPort) *realmServer {
	for _, s := range r.servers {
		if s.addr == a {
			return s
		}
	}
	return nil
}

// dataPlane keeps which keys a member has, and which one it sends with.
func (r *realm) dataPlane(at netip.AddrPort, e machine.Effect) {
	i := slices.IndexFunc(r.members, func(m *realmMember) bool { return m.addr == at })
	if i < 0 {
		return
	}
	m := r.members[i]
	switch e := e.(type) {
	case gdoi.InstallSA:
		m.holds[e.TEK.SPI] = e.SIDs
		if e.Send {
			r.send(m, e.TEK.SPI)
		}
	case gdoi.ActivateSA:
		r.send(m, e.SPI)
	case gdoi.RetireSA:
		delete(m.holds, e.SPI)
		m.retired[e.SPI] = true
		if m.sending == e.SPI {
			m.sending = 0
		}
	}
}

func (r *realm) send(m *realmMember, spi gdoi.SPI) {
	m.sending = spi
	for _, sid := range m.holds[spi] {
		if o := r.users[use{spi, sid}]; o != nil && o != m {
			r.t.Errorf("%v: %v and %v both send with sender id %d under %v", time.Duration(r.now.Mono), o.addr, m.addr, sid, spi)
		}
		r.users[use{spi, sid}] = m
	}
}

// look notes who can read whom.
func (r *realm) look() {
	for i, a := range r.members {
		for j, b := range r.members {
			if i == j || a.sending == 0 || slices.Contains(r.removed, i) || slices.Contains(r.removed, j) {
				delete(r.apart, [2]int{i, j})
				continue
			}
			pair := [2]int{i, j}
			_, reads := b.holds[a.sending]
			if !reads && r.now.Mono.Sub(b.reported) > time.Second {
				b.reported = r.now.Mono
				r.do(b.addr, b.n.Step(r.now, gdoi.DataPlaneReport{Group: "blue", SPI: a.sending, Kind: gdoi.UnknownSPI}, nil))
			}
			if r.excused != nil {
				r.judge(pair, reads)
			}
			since, was := r.apart[pair]
			switch {
			case !reads && !was:
				r.apart[pair] = r.now.Mono
			case reads && was:
				delete(r.apart, pair)
				if r.now.Mono > since {
					r.gaps = append(r.gaps, gap{i, j, since, r.now.Mono})
				}
			}
		}
	}
}

// judge finds pairs that are apart without an excuse.
func (r *realm) judge(pair [2]int, reads bool) {
	a, b := r.members[pair[0]], r.members[pair[1]]
	switch {
	case r.side[a.addr.Addr()] != r.side[b.addr.Addr()] && r.fork, r.deserted(a), r.deserted(b), r.loose:
		r.excused[pair] = true
	case reads:
		if maps.EqualFunc(a.holds, b.holds, func(_, _ []gdoi.SID) bool { return true }) && r.current(a) {
			delete(r.excused, pair) // they are one again, and not only about to part
		}
	case !r.excused[pair] && len(r.wrong) < 5:
		if _, was := r.apart[pair]; !was {
			r.wrong = append(r.wrong, fmt.Sprintf("%v: %v does not read %v, which sends with %v", time.Duration(r.now.Mono), b.addr.Addr(), a.addr.Addr(), a.sending))
			r.told = append(r.told, "WRONG "+r.wrong[len(r.wrong)-1])
		}
	}
}

// deserted says whether a member has no key server on its side.
func (r *realm) deserted(m *realmMember) bool {
	return !slices.ContainsFunc(r.servers, func(s *realmServer) bool { return !s.dead && r.side[s.addr.Addr()] == r.side[m.addr.Addr()] })
}

// current says whether a member has the newest key of the primary on its side.
func (r *realm) current(m *realmMember) bool {
	for _, s := range r.servers {
		if !s.dead && s.group().Active() && r.side[s.addr.Addr()] == r.side[m.addr.Addr()] {
			if v := s.group().Version(); s.version != v || s.newest == 0 {
				s.version, s.newest = v, 0
				for _, t := range s.group().Snapshot(r.now).TEKs {
					s.newest = t.SPI
				}
			}
			return m.holds[s.newest] != nil && !s.group().Merging()
		}
	}
	return false
}

// run lets time pass.
func (r *realm) run(d time.Duration) {
	end := r.now.Mono.Add(d)
	for range 1_000_000 {
		next, step := end, func() {}
		at := func(t machine.Instant, f func()) {
			if t = max(t, r.now.Mono); t < next {
				next, step = t, f
			}
		}
		for _, s := range r.servers {
			if t, ok := s.n.Deadline(); ok && !s.dead {
				at(t, func() { r.do(s.addr, s.n.Step(r.now, machine.Timeout{}, nil)) })
			}
		}
		for _, m := range r.members {
			if t, ok := m.n.Deadline(); ok {
				at(t, func() { r.do(m.addr, m.n.Step(r.now, machine.Timeout{}, nil)) })
			}
		}
		if len(r.flights) > 0 {
			at(r.flights[0].at, r.deliver)
		}
		r.now = machine.Now{Mono: next, Wall: r.now.WallAt(next)}
		if next == end {
			return
		}
		step()
		r.replicate()
		r.look()
	}
	r.t.Fatal("time does not pass")
}

func (r *realm) deliver() {
	d := r.flights[0].d
	r.flights = r.flights[1:]
	if r.side[d.Local.Addr()] != r.side[d.Remote.Addr()] || r.lose != nil && r.lose(d) {
		return
	}
	if s := r.serverAt(d.Local); s != nil {
		if !s.dead {
			r.do(s.addr, s.n.Step(r.now, d, nil))
		}
		return
	}
	for _, m := range r.members {
		if m.addr == d.Local {
			r.do(m.addr, m.n.Step(r.now, d, nil))
		}
	}
}

// split cuts the control plane: server i and member i go to side of[i mod 3].
func (r *realm) split(of ...int) {
	for i, s := range r.servers {
		r.side[s.addr.Addr()] = of[i]
	}
	for i, m := range r.members {
		r.side[m.addr.Addr()] = of[i%3]
	}
}

func (r *realm) heal() { clear(r.side) }

// silent says who cannot read whom now.
func (r *realm) silent() string {
	var out []string
	r.look()
	for p := range r.apart {
		out = append(out, fmt.Sprintf("%d does not read %d", p[1], p[0]))
	}
	for i, m := range r.members {
		if m.sending == 0 && !slices.Contains(r.removed, i) {
			out = append(out, fmt.Sprintf("%d has no key", i))
		}
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}

// lost lists the gaps among members of the same side.
func (r *realm) lost(sideOf func(int) int) (out []string) {
	for p, since := range r.apart {
		r.gaps = append(r.gaps, gap{p[0], p[1], since, r.now.Mono})
	}
	for _, g := range r.gaps {
		if sideOf(g.from) == sideOf(g.to) {
			out = append(out, fmt.Sprintf("%d did not read %d from %v for %v", g.to, g.from, time.Duration(g.begin), g.at.Sub(g.begin)))
		}
	}
	return out
}

// trail shows what happened, when a test has failed.
func (r *realm) trail() {
	if r.t.Failed() {
		for _, l := range r.told {
			r.t.Log(l)
		}
	}
}

func together(int) int { return 0 }

// one says whether everybody sends with the same key.
func (r *realm) one() bool {
	var spi gdoi.SPI
	for i, m := range r.members {
		if slices.Contains(r.removed, i) {
			continue
		}
		if spi == 0 {
			spi = m.sending
		}
		if m.sending != spi {
			return false
		}
	}
	return true
}
