package node

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// refuseReveal is a token that gives out no KEK, and says so at once.
func refuseReveal(c machine.KeyCall) error {
	if c.Op == machine.KeyReveal {
		return errTokenFull
	}
	return nil
}

// TestCustodyExclusionWaits: who must leave gets nothing new while the KEK of the exclusion cannot be had, the journal says
// what is so, and the token is not asked again and again.
func TestCustodyExclusionWaits(t *testing.T) {
	p := newCustodyParty(t, 3).registered()
	cfg := inCustody(t)
	cfg.Authorise = nil
	for _, i := range []int{1, 3} {
		cfg.Authorise = append(cfg.Authorise, blue(t).Authorise[0])
		cfg.Authorise[len(cfg.Authorise)-1].Prefix = netip.PrefixFrom(gmAddr(i).Addr(), 32)
	}
	p.ks.cfg.Groups = []keyserver.Config{cfg}
	p.token.refuse = refuseReveal
	p.restart()
	p.run(time.Second)
	mark, asked := len(p.log), p.token.count(machine.KeyReveal)
	p.command(gdoi.CmdRekey{Group: "blue", ID: 1})
	p.run(time.Minute)
	if n := p.token.count(machine.KeyReveal) - asked; n < 2 || n > 60 {
		t.Errorf("a KEK that the token refuses is asked for %d times in a minute", n)
	}
	tek := p.group().TEKs[len(p.group().TEKs)-1].SPI
	for _, d := range p.log[mark:] {
		if d.Local == gmAddr(2) {
			t.Errorf("%d octets go to who is to be excluded", len(d.Bytes))
		}
	}
	if p.has(2, tek) || !p.has(1, tek) || !p.has(3, tek) {
		t.Errorf("the newest TEK is with 1: %t, with 2, who is to be excluded: %t, with 3: %t", p.has(1, tek), p.has(2, tek), p.has(3, tek))
	}
	p.wantNotes(ksAddr, gdoi.NoteGMRemoved, 0)
	p.wantNotes(ksAddr, gdoi.NoteGMRemovalWaits, 1)
	if text := strings.Join(p.group().Problems, "\n"); !strings.Contains(text, "1 members wait to be excluded") {
		t.Errorf("problems %q", text)
	}
	p.token.refuse = nil
	p.run(10 * time.Second)
	p.wantNotes(ksAddr, gdoi.NoteGMRemoved, 1)
	if n := len(p.group().Members); n != 2 || len(p.group().Problems) > 0 {
		t.Errorf("%d members, problems %v; want 2 and none", n, p.group().Problems)
	}
	p.run(5 * delay)
	p.wantAll(0, 2)
	p.wantTidy()
}

// TestCustodyForgetsEndedExchanges: a member that begins anew again and again, while the KEK is being told, has no more that
// waits than it may have sessions.
func TestCustodyForgetsEndedExchanges(t *testing.T) {
	p := newCustodyParty(t, 1).registered()
	p.token.delay = 5 * time.Second
	for range 200 {
		p.gm[1] = p.member(gmAddr(1), rightPSK)
		p.run(10 * time.Millisecond)
	}
	windows := reflect.ValueOf(p.ks.groups[0]).Elem().FieldByName("custody").FieldByName("windows")
	n := windows.Index(0).Elem().FieldByName("jobs").Len()
	if n == 0 || n > 100 {
		t.Errorf("%d registrations wait of 200, almost all of which have ended", n)
	}
}
