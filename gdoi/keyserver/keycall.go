package keyserver

import (
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Timers of calls; not configurable.
const (
	// keyPatience is how long the custody may take. A member that registers waits no longer either: it has sent its request
	// three times by then.
	keyPatience = 6 * time.Second
	// keyRetry is the wait after a failure, twice as long after each, until maxKeyRetry.
	keyRetry    = 500 * time.Millisecond
	maxKeyRetry = 15 * time.Second
	// maxMakeRetry is that limit for the next KEK: operators are refused until it is there.
	maxMakeRetry = 2 * time.Second
)

var errKeyPatience = fmt.Errorf("no answer in %v", keyPatience)

// keyCall is one thing that the custody is asked for until it is done.
type keyCall struct {
	ask machine.KeyCall // without ID and Data
	// data is what goes with it, a copy for each attempt; nil: nothing.
	data func() []byte
	// done takes the answer, which it owns.
	done func(now machine.Now, data []byte, out machine.Effects) machine.Effects
	// failed hears of each failure, and says whether the custody is asked again; nil: it is.
	failed func(now machine.Now, err error, out machine.Effects) (machine.Effects, bool)

	op       machine.OpID  // 0: not under way
	waits    bool          // for another call about the same key
	timer    machine.Timer // of the answer, or of the next attempt
	failures int
	problem  string
}

// call asks the custody.
func (g *Group) call(now machine.Now, c *keyCall, out machine.Effects) machine.Effects {
	g.custody.calls = append(g.custody.calls, c)
	return g.ask(now, c, out)
}

func (g *Group) ask(now machine.Now, c *keyCall, out machine.Effects) machine.Effects {
	c.timer.Set(now.Mono.Add(keyPatience))
	o := g.blocked(c)
	if c.waits = o != nil; c.waits {
		if c.ask.Op == machine.KeyEncrypt || o.op == 0 && o.failures > 0 && !c.changes() {
			// What is to be encrypted is in the process for this step only.
			return g.callFailed(now, c, fmt.Errorf("the key is not there yet: %s", o.problem), out)
		}
		return out
	}
	c.op = g.env.NextOp()
	k := c.ask
	k.ID = c.op
	if c.data != nil {
		k.Data = c.data()
	}
	return append(out, k)
}

// uncall forgets a call; its answer, if there is one, belongs to nobody.
func (g *Group) uncall(c *keyCall) {
	g.custody.calls = slices.DeleteFunc(g.custody.calls, func(o *keyCall) bool { return o == c })
}

// KeyDone takes an answer of the custody; false means that it was not asked by this group.
func (g *Group) KeyDone(now machine.Now, ev machine.KeyDone, out machine.Effects) (machine.Effects, bool) {
	i := slices.IndexFunc(g.custody.calls, func(c *keyCall) bool { return c.op != 0 && c.op == ev.ID })
	if i < 0 {
		return out, false
	}
	c := g.custody.calls[i]
	c.op = 0
	if ev.Err != nil {
		clear(ev.Data)
		out = g.callFailed(now, c, ev.Err, out)
	} else {
		g.uncall(c)
		out = c.done(now, ev.Data, g.recovered(now, out))
	}
	out = g.unblock(now, out)
	return g.afterCall(now, out), true
}

func (g *Group) callFailed(now machine.Now, c *keyCall, err error, out machine.Effects) machine.Effects {
	c.op, c.waits, c.problem, g.custody.failing = 0, false, err.Error(), true
	wait := keyBackoff(c.failures)
	if c.ask.Op == machine.KeyGenerate {
		wait = min(wait, maxMakeRetry)
	}
	c.timer.Set(now.Mono.Add(wait))
	c.failures++
	again := true
	if c.failed != nil {
		out, again = c.failed(now, err, out)
	}
	if !again {
		g.uncall(c)
	}
	return out
}

// keyBackoff is the wait after that many failures before this one.
func keyBackoff(failures int) time.Duration {
	return min(keyRetry<<min(failures, 10), maxKeyRetry)
}
