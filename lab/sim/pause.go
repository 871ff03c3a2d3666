package sim

import "github.com/getvpn/getvpn/gdoi/machine"

// socketQueue is how many datagrams a stopped process finds when it goes on.
const socketQueue = 256

// waiting is something that a stopped process has not looked at yet.
type waiting struct {
	timer, datagram bool
	f               func()
}

// Pause stops the process, as SIGSTOP does: its clocks go on, its store finishes what it was asked, the network keeps a
// little for it.
func (n *Node) Pause() { n.paused = n.Up() }

// Resume lets it go on. Whether it looks at its timers or at its sockets first is chance.
func (n *Node) Resume() {
	if !n.paused {
		return
	}
	n.paused = false
	queue := n.backlog
	n.backlog = nil
	late := n.s.rng.IntN(2) == 0
	life := n.life
	for _, timers := range []bool{!late, late} {
		for _, w := range queue {
			if w.timer == timers && n.Up() && n.life == life {
				n.do(w)
			}
		}
	}
}

// do happens now, or when the process goes on.
func (n *Node) do(w waiting) {
	if !n.paused {
		w.f()
		return
	}
	if w.datagram {
		held := 0
		for _, b := range n.backlog {
			if b.datagram {
				held++
			}
		}
		if held >= socketQueue {
			n.s.stats.Lost++
			return
		}
	}
	n.backlog = append(n.backlog, w)
}

func (n *Node) receive(d machine.Datagram) {
	n.do(waiting{datagram: true, f: func() { n.step(d) }})
}
