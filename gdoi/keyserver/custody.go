package keyserver

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// With Config.Custody KEKs are kept by the key custody of the process, an HSM say, and a Group knows their names. All that
// needs the value of a KEK is a call, which takes its time, fails, and is made again:
//
//	spare.go    the next KEK is always there already, so that a rollover has a KEK in the step in which it is due
//	window.go   who must see a value sees it in one step, that of the answer, and it is wiped at the end of it
//	inside.go   a PUSH is encrypted by the custody
//	untold.go   a new KEK is not relied upon before members have been sent it
//	moving.go   other key servers get it wrapped
//
// When the custody is gone, keys that everybody has go on until they end; nothing new is made, nobody registers. All calls
// (keycall.go) are made again until it is back.
type custody struct {
	problem string // why it is gone; empty: it is there
	calls   []*keyCall
	windows []*window
	spare   *kek // the next KEK; see ready
	made    bool // the custody has it
	// owed: a new KEK is wanted as soon as there is a spare one. lost: since the custody has lost all that there were.
	owed, lost bool
	// excluding are those to be excluded as soon as there is a spare KEK, which is wanted since recutAt, whether or not they are
	// still on the list. asked: its value is being asked for.
	excluding []*member
	recutAt   machine.Instant
	asked     bool
	// dying are KEKs that have ended here, and are still needed, or are still named by records.
	dying []dyingKEK
	// failing: it did not do what it was asked last.
	failing bool
	again   machine.Timer // when what could not be done is tried once more
	retell  machine.Timer // when members are told of a KEK that could not be told
}

// ErrCustody: the key custody does not answer, or has no KEK for what is asked. Nothing is wrong with the member, which goes
// to another key server or asks again.
var ErrCustody = errors.New("keyserver: the key custody")

// afterCall does what an answer may have made possible, and writes what it has changed.
func (g *Group) afterCall(now machine.Now, out machine.Effects) machine.Effects {
	out = g.useSpare(now, out)
	out = g.deliver(now, out)
	out = g.bury(now, out)
	return g.flush(now, out)
}

// CustodyState takes the news that the custody was lost, or is back: then everything that waits is tried at once.
func (g *Group) CustodyState(now machine.Now, ev machine.CustodyState, out machine.Effects) machine.Effects {
	was := g.custody.problem
	g.custody.problem = ev.Problem
	if ev.Problem != "" || was == "" || !g.started {
		return out
	}
	g.custody.again.Stop()
	for _, c := range slices.Clone(g.custody.calls) {
		if c.op == 0 {
			out = g.ask(now, c, out)
		}
	}
	for _, d := range g.deliveries {
		d.hurry(now)
	}
	return g.afterCall(now, out)
}

// custodyTimeout makes calls again, and gives up waiting for answers.
func (g *Group) custodyTimeout(now machine.Now, out machine.Effects) machine.Effects {
	for _, c := range slices.Clone(g.custody.calls) {
		switch {
		case !c.timer.Due(now.Mono) || !slices.Contains(g.custody.calls, c):
		case c.op != 0 || c.waits:
			out = g.callFailed(now, c, errKeyPatience, out)
		default:
			out = g.ask(now, c, out)
		}
	}
	out = g.unblock(now, out)
	if g.custody.again.Due(now.Mono) {
		g.custody.again.Stop()
		out = g.useSpare(now, out)
	}
	out = g.prepareSpare(now, out)
	out = g.retell(now, out)
	return g.bury(now, out)
}

func (g *Group) custodyDeadline() (machine.Instant, bool) {
	var n machine.Next
	for _, c := range g.custody.calls {
		n.Add(c.timer.Deadline())
	}
	n.Add(g.custody.again.Deadline())
	n.Add(g.custody.retell.Deadline())
	return n.At, n.OK
}

// kekName is what the custody calls a KEK.
func kekName(spi gdoi.KEKSPI) string { return KEKName(spi.String()) }

// KEKName is what the custody calls the KEK with an SPI in hexadecimal digits.
func KEKName(spi string) string { return "kek-" + spi }

// KEKNames lists the KEKs that the group has in the custody, the next one included, by their names there.
func (g *Group) KEKNames() (out []string) {
	for _, k := range g.keks {
		if k.name != "" {
			out = append(out, k.name)
		}
	}
	if s := g.custody.spare; s != nil {
		out = append(out, s.name)
	}
	for _, d := range g.custody.dying {
		out = append(out, d.name)
	}
	for _, c := range g.custody.calls {
		out = append(out, c.ask.Key)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// custodyProblem says what is wrong with the custody; empty: nothing.
func (g *Group) custodyProblem() string {
	c := &g.custody
	if !g.cfg.Custody && len(c.calls) == 0 {
		return ""
	}
	if g.unbegun() && c.problem == "" {
		return "the group has no keys yet: the key custody has not made its first KEK" + g.callProblem()
	}
	if c.problem != "" {
		return "the key custody is gone: " + c.problem + "; keys go on until they end, nobody can register, no new KEK is made"
	}
	return strings.TrimPrefix(g.callProblem(), ": ")
}

// callProblem is what a call has failed with, after a colon; empty: none has.
func (g *Group) callProblem() string {
	for _, c := range g.custody.calls {
		if c.problem != "" {
			return fmt.Sprintf(": the key custody does not %s: %s", keyOps[c.ask.Op], c.problem)
		}
	}
	return ""
}

var keyOps = map[machine.KeyOp]string{
	machine.KeyGenerate: "make a KEK", machine.KeyReveal: "give out a KEK", machine.KeyEncrypt: "encrypt a rekey",
	machine.KeyWrap: "wrap a KEK for another key server", machine.KeyUnwrap: "take a KEK of another key server", machine.KeyDestroy: "destroy a KEK",
}
