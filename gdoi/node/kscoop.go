package node

import (
	"github.com/getvpn/getvpn/gdoi/coop"
	cooplink "github.com/getvpn/getvpn/gdoi/coop/link"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// fromPeer takes what a peer's link has received.
func (n *KeyServer) fromPeer(_ machine.Now, _ coop.ID, _ cooplink.Received, out machine.Effects) machine.Effects {
	return out
}
