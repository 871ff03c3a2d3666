package node

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestCustodyRandomCourses: whatever a token does for a minute, and whoever dies, no member sends with a key that another one
// lacks, no value stays, and in the end all is well. The seed is the whole course.
func TestCustodyRandomCourses(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		custodyCourse(t, uint64(seed))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func custodyCourse(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	p := newCustodyParty(t, 4).registered()
	p.watch()
	inner := p.after
	crash := -1
	p.after = func() {
		inner()
		if crash--; crash == 0 {
			p.nodes[ksAddr], p.crash = dead{}, rnd.IntN(2) == 0
		}
	}
	var story []string
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
			for _, s := range story {
				t.Log(s)
			}
		}
	}()
	say := func(format string, args ...any) {
		story = append(story, fmt.Sprintf("%v ", time.Duration(p.now.Mono))+fmt.Sprintf(format, args...))
	}
	pass := func(d time.Duration) {
		for end := p.now.Mono.Add(d); p.now.Mono < end; {
			p.run(min(50*time.Millisecond, end.Sub(p.now.Mono)))
			if p.nodes[ksAddr] == (dead{}) {
				say("dead, and started again")
				p.restart()
				if p.token.problem != nil {
					p.step(ksAddr, machine.CustodyState{Problem: p.token.problem.Error()})
				}
			}
		}
	}
	heal := func() {
		p.token.refuse, p.token.mute, p.token.delay = nil, false, 20*time.Millisecond
		if p.token.problem != nil {
			p.token.problem = nil
			p.step(ksAddr, machine.CustodyState{})
		}
	}
	next := 5
	for range 6 {
		p.token.delay = time.Duration(rnd.IntN(2000)) * time.Millisecond
		switch fault := rnd.IntN(8); fault {
		case 0:
			p.token.problem = errTokenGone
			if rnd.IntN(2) == 0 {
				p.step(ksAddr, machine.CustodyState{Problem: "gone"})
			}
			say("the token is gone")
		case 1:
			p.token.mute = true
			say("the token does not answer")
		case 2, 3:
			op := machine.KeyOp(1 + rnd.IntN(3))
			p.token.refuse = func(c machine.KeyCall) error {
				if c.Op == op {
					return errTokenFull
				}
				return nil
			}
			say("the token refuses operation %d", op)
		case 4:
			p.token.refuse = func(machine.KeyCall) error {
				if rnd.IntN(3) == 0 {
					return errTokenGone
				}
				return nil
			}
			say("the token fails now and then")
		case 5, 6:
			crash = 1 + rnd.IntN(40)
			say("death in %d steps", crash)
		}
		switch rnd.IntN(5) {
		case 0:
			p.step(ksAddr, gdoi.CmdRekey{Group: "blue", ID: 1})
			say("rekey")
		case 1, 2:
			p.step(ksAddr, gdoi.CmdRekey{Group: "blue", KEK: true, ID: 2})
			say("rekey with a new KEK")
		case 3:
			p.gm[next] = p.member(gmAddr(next), rightPSK)
			say("member %d comes", next)
			next++
		case 4:
			// It may be refused, or come to nothing when the key server dies: then it is done below.
			p.step(ksAddr, gdoi.CmdRemoveMember{Group: "blue", Members: []string{gmAddr(1).Addr().String()}, ID: 3})
			delete(p.gm, 1)
			say("member 1 is removed")
		}
		pass(time.Duration(rnd.IntN(40)) * time.Second)
		heal()
		pass(time.Duration(rnd.IntN(60)) * time.Second)
		crash = -1
	}
	pass(6 * delay)
	if p.gm[1] == nil && len(p.group().Removed) == 0 {
		p.step(ksAddr, gdoi.CmdRemoveMember{Group: "blue", Members: []string{gmAddr(1).Addr().String()}, ID: 4})
	}
	pass(6 * delay)
	p.wantAll(0)
	p.wantTidy()
	p.wantCleanDisk()
	if n := len(p.group().KEKs); n != 1 {
		t.Errorf("%d KEKs at the end", n)
	}
	if text := p.group().Problems; len(text) > 0 {
		t.Errorf("problems at the end: %v", text)
	}
	if !slices.Contains(p.token.keks(), keyserver.KEKName(p.group().KEKs[0].SPI.String())) {
		t.Error("the KEK is not in the token")
	}
}
