package keyserver

import (
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// kekJob is what needs the value of a KEK: with a nil error it is in kek.key, until the job returns. It keeps nothing of it.
type kekJob func(now machine.Now, err error, out machine.Effects) machine.Effects

// window is one question for the value of a KEK, for all that wait for it.
type window struct {
	name string
	jobs []parked
	// sweepAt is with how many jobs those are looked for whose time is over.
	sweepAt int
}

// parked is a job that waits. ended says that nobody wants it any more; nil: somebody does.
type parked struct {
	run   kekJob
	ended func() bool
}

// minSweep is with how many jobs a window looks for those whose time is over first. A member may begin exchanges as fast as it
// likes, and each gives way to those after it.
const minSweep = 64

// park adds a job.
func (w *window) park(p parked) {
	if len(w.jobs) >= max(w.sweepAt, minSweep) {
		w.jobs = slices.DeleteFunc(w.jobs, func(o parked) bool { return o.ended != nil && o.ended() })
		w.sweepAt = 2 * len(w.jobs)
	}
	w.jobs = append(w.jobs, p)
}

// open says whether the value of the KEK is in the process, in this step.
func (k *kek) open() bool { return k.key.Len() > 0 }

// WithKEK runs the job with the value of the newest KEK in the process: at once, or in the step in which the custody has
// told it. A registration's last answer is such a job. The error wraps ErrCustody. A job that waits may be forgotten once
// ended says so; nil: never.
func (g *Group) WithKEK(now machine.Now, job func(now machine.Now, err error, out machine.Effects) machine.Effects, ended func() bool, out machine.Effects) machine.Effects {
	n := len(g.keks)
	if n == 0 {
		return job(now, nil, out) // there is nothing to wait for
	}
	return g.withKEKUntil(now, g.keks[n-1], parked{job, ended}, out)
}

func (g *Group) withKEK(now machine.Now, k *kek, job kekJob, out machine.Effects) machine.Effects {
	return g.withKEKUntil(now, k, parked{run: job}, out)
}

func (g *Group) withKEKUntil(now machine.Now, k *kek, p parked, out machine.Effects) machine.Effects {
	if k.open() {
		return p.run(now, nil, out)
	}
	if why := g.custody.problem; why != "" {
		return p.run(now, fmt.Errorf("%w is gone: %s", ErrCustody, why), out)
	}
	if i := slices.IndexFunc(g.custody.windows, func(w *window) bool { return w.name == k.name }); i >= 0 {
		g.custody.windows[i].park(p)
		return out
	}
	w := &window{name: k.name, jobs: []parked{p}}
	g.custody.windows = append(g.custody.windows, w)
	return g.call(now, &keyCall{
		ask: machine.KeyCall{Op: machine.KeyReveal, Key: k.name},
		done: func(now machine.Now, data []byte, out machine.Effects) machine.Effects {
			return g.openWindowFor(now, w, data, out)
		},
		failed: func(now machine.Now, err error, out machine.Effects) (machine.Effects, bool) {
			var back bool
			if out, back = g.noKey(now, w.name, err, out); back {
				return out, true
			}
			return g.closeWindow(now, w, fmt.Errorf("%w does not give out the KEK: %w", ErrCustody, err), out), false
		},
	}, out)
}

// openWindowFor runs what has waited for a value, and wipes it.
func (g *Group) openWindowFor(now machine.Now, w *window, data []byte, out machine.Effects) machine.Effects {
	k := g.named(w.name)
	if k == nil || len(data) != k.suite.KeyLen() {
		clear(data)
		return g.closeWindow(now, w, fmt.Errorf("%w has a KEK that is none: %d octets", ErrCustody, len(data)), out)
	}
	k.key = machine.TakeSecret(data)
	out = g.closeWindow(now, w, nil, out)
	k.close()
	return out
}

func (g *Group) closeWindow(now machine.Now, w *window, err error, out machine.Effects) machine.Effects {
	g.custody.windows = slices.DeleteFunc(g.custody.windows, func(o *window) bool { return o == w })
	for _, job := range w.jobs {
		out = job.run(now, err, out)
	}
	return out
}

// close wipes a value that the custody has told.
func (k *kek) close() {
	if k.name != "" {
		k.key.Destroy()
		k.key = nil
	}
}

// named finds a KEK of the custody, or the spare one.
func (g *Group) named(name string) *kek {
	if s := g.custody.spare; s != nil && s.name == name {
		return s
	}
	if i := slices.IndexFunc(g.keks, func(k *kek) bool { return k.name == name }); i >= 0 {
		return g.keks[i]
	}
	return nil
}
