package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// holdPatience is how long the answer to a registration waits until another key server knows of it.
const holdPatience = 2 * time.Second

// heldAnswer is a registration's last message, which waits: the key server that gave the keys and sender ids may die, and
// the others must not give the same again.
type heldAnswer struct {
	s     *session
	x     *exchange
	cell  *cell
	mark  coop.Mark
	send  machine.Send
	until machine.Instant
}

// hold takes the datagrams off out that answer a registration, from the given place on.
func (n *KeyServer) hold(now machine.Now, s *session, x *exchange, from int, out machine.Effects) machine.Effects {
	k := n.cell(x.group)
	if k == nil {
		return out
	}
	mark := k.Mark(now)
	out, sends := withoutSends(out, from)
	for _, send := range sends {
		n.held = append(n.held, &heldAnswer{s, x, k, mark, send, now.Mono.Add(holdPatience)})
	}
	return out
}

// holds says whether the answer in an exchange waits.
func (n *KeyServer) holds(x *exchange) bool {
	return slices.ContainsFunc(n.held, func(h *heldAnswer) bool { return h.x == x })
}

// withoutSends takes the datagrams off out, from the given place on.
func withoutSends(out machine.Effects, from int) (kept machine.Effects, sends []machine.Send) {
	kept = out[:from]
	for _, e := range out[from:] {
		if send, ok := e.(machine.Send); ok {
			sends = append(sends, send)
		} else {
			kept = append(kept, e)
		}
	}
	return kept, sends
}

// release sends the answers that have waited long enough.
func (n *KeyServer) release(now machine.Now, out machine.Effects) machine.Effects {
	if len(n.held) == 0 {
		return out
	}
	n.held = slices.DeleteFunc(n.held, func(h *heldAnswer) bool {
		switch {
		case !slices.Contains(h.s.exchanges, h.x):
			return true // it has ended
		case h.cell.Passed(h.mark):
		case now.Mono >= h.until:
			out = append(out, machine.Note{
				Name: gdoi.NoteCoopUnprotected, Severity: machine.Warning, Group: h.cell.group.Name(), Peer: h.send.Remote.String(),
				Text: fmt.Sprintf("the registration of %v was answered though %s did not confirm it", h.send.Remote, h.cell.Waiting()),
			})
		default:
			return false
		}
		out = append(out, h.send)
		return true
	})
	return out
}
