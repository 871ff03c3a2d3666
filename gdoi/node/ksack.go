package node

import (
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// acknowledged finds the group of an acknowledgement by the KEK; who wrote it is decided there.
func (n *KeyServer) acknowledged(now machine.Now, spi gdoi.KEKSPI, ev machine.Datagram, out machine.Effects) machine.Effects {
	for _, g := range slices.Concat(n.groups, n.leaving) {
		if !g.HasKEK(spi) {
			continue
		}
		a, err := push.ParseAck(ev.Bytes)
		if err == nil {
			out, err = g.Acknowledged(now, a, ev.Remote, ev.Bytes, out)
		}
		if err != nil {
			out = n.drops.failed(now, err, ev.Remote, out)
		}
		return out
	}
	return n.drops.drop(now, gdoi.DropUnknownKEK, ev.Remote, "an acknowledgement under a KEK of no group", out)
}
