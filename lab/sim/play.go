package sim

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control/record"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// Outcome is what a run was like.
type Outcome struct {
	Plan       Plan
	Violations []Violation
	Stats      Stats
	Apart      float64 // seconds that some member could not read another
	Hash       [32]byte
	Entries    []Entry // if it was traced
}

// Rule is that of the first violation; empty if there is none.
func (o *Outcome) Rule() string {
	if len(o.Violations) == 0 {
		return ""
	}
	return o.Violations[0].Rule
}

// Play plays a plan; with a trace if that is wanted, which changes nothing else.
func Play(p Plan, traced bool) Outcome { return PlayWith(p, traced, nil) }

// PlayWith plays a plan, and lets somebody look at the run, who is called before it begins and must not change it.
func PlayWith(p Plan, traced bool, onlooker func(*Sim)) (o Outcome) {
	o.Plan = p
	s := New(p.Config)
	if traced {
		s.Log = func(e Entry) { o.Entries = append(o.Entries, e) }
	}
	defer func() {
		if r := recover(); r != nil {
			s.Check.violate(nil, "panic", "%v\n%s", r, debug.Stack())
		}
		o.Violations, o.Stats, o.Apart, o.Hash = s.Check.Violations(), s.Stats(), s.Check.Apart().Seconds(), s.TraceHash()
	}()
	if onlooker != nil {
		onlooker(s)
	}
	s.Inflict(p.Faults)
	s.Traffic(time.Second)
	s.Run(p.Active)
	s.Mend()
	s.Run(p.Active + p.Settle)
	s.well()
	apart := s.Check.Apart()
	s.Run(p.Active + p.Settle + p.Quiet)
	s.well()
	if d := s.Check.Apart() - apart; d > 0 {
		s.Check.once("end-apart", fmt.Sprintf("members were apart for %v after the faults had ended", d))
	}
	return o
}

// PlayRecorded plays a plan and writes what consoles would see of it into a recording, with counters of some traffic.
func PlayRecorded(p Plan, traced bool, w *record.Writer) (Outcome, error) {
	var r *Recorder
	o := PlayWith(p, traced, func(s *Sim) {
		s.Chat(10, policy.Packet{Src: netip.MustParseAddr("10.1.0.1"), Dst: netip.MustParseAddr("10.1.0.2"), Proto: 1})
		r = s.Record(w)
	})
	return o, r.Err()
}

// Mend ends all faults.
func (s *Sim) Mend() {
	s.log(Entry{Kind: "fault", Text: "everything is mended"})
	s.Heal()
	s.Degrade(Network{Latency: s.cfg.Network.Latency, Jitter: s.cfg.Network.Jitter})
	for _, n := range s.all() {
		n.crashIn = -1
		n.slow = 0
		n.FailStore(nil)
		n.FailCustody(nil)
		n.mendToken()
		n.Resume()
		n.Start()
	}
	s.disturbed()
	if s.cfg.Coop != nil {
		s.After(s.cfg.Coop.settling(), s.readmitAll)
	}
}

// readmitAll lets everybody in again whom the key servers, which are one by now, refuse.
func (s *Sim) readmitAll() {
	for _, n := range s.Members() {
		if !s.Check.of(n).removed && !s.IsRemoved(n) {
			continue
		}
		if s.Check.of(n).removed {
			s.Readmit(n)
		} else {
			s.Primary().Do(gdoi.CmdReadmit{Group: s.cfg.group(), Member: n.Addr.Addr().String(), ID: 1})
			s.Check.allow(n)
		}
		n.Do(gdoi.CmdReregister{Group: s.cfg.group()}) // otherwise it asks ever more rarely
	}
}

// well looks whether a run in which all faults have ended is as it should be. For moments some have made a step of a rollover
// and others have not, so it looks for a while.
func (s *Sim) well() {
	var wrong []finding
	for range 2 + s.delay()/time.Second {
		if wrong = s.Check.wrong(); len(wrong) == 0 {
			return
		}
		s.Run(s.Now() + time.Second)
	}
	for _, f := range wrong {
		s.Check.once(f.rule, f.text)
	}
}

type finding struct{ rule, text string }

// wrong lists what is not as it should be.
func (c *Checker) wrong() (out []finding) {
	s := c.s
	say := func(rule, format string, args ...any) { out = append(out, finding{rule, fmt.Sprintf(format, args...)}) }
	if got := c.registered; got != len(s.Members()) {
		say("end-registered", "%d of %d members are registered", got, len(s.Members()))
	}
	if !c.Together() {
		say("end-together", "some members cannot read others")
	}
	if why := c.OneEpoch(); why != "" {
		say("end-epoch", "%s", why)
	}
	if s.cfg.Coop == nil {
		return out
	}
	primaries, keys := 0, ""
	for _, n := range s.KeyServers() {
		ks := n.KeyServer().Snapshot(n.clock()).Groups[0]
		i := ks.Coop
		if i == nil {
			say("end-coop", "%s does not cooperate", n.Name)
			continue
		}
		if i.Role == coop.Primary {
			primaries++
		} else if !i.Ready {
			say("end-ready", "%s does not register members: %s", n.Name, i.Why)
		}
		var spis []string
		for _, t := range ks.TEKs {
			spis = append(spis, t.SPI.String())
		}
		for _, k := range ks.KEKs {
			spis = append(spis, k.SPI.String())
		}
		slices.Sort(spis)
		got := strings.Join(spis, " ")
		if keys == "" {
			keys = got
		}
		if got != keys {
			say("end-keys", "%s has the keys %s, and %s has %s", n.Name, got, s.KS().Name, keys)
		}
		if len(ks.Members) < len(s.Members()) {
			say("end-members", "%s knows %d members", n.Name, len(ks.Members))
		}
	}
	if primaries != 1 {
		say("end-primary", "there are %d primaries", primaries)
	}
	return out
}
