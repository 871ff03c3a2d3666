package keyserver

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// With Config.Custody a KEK goes from one key server's custody to the others' wrapped under their transport keys, and no
// process sees it on the way. Transport keys are told like the keys that sign (trust.go), and are records, so that a KEK
// that is made while a key server is away is wrapped for it too.
const (
	transportKind = "transport"
	// maxTransport is how many octets a transport key of another custody may have.
	maxTransport = 4096
)

func transportName(id coop.ID) string { return transportKind + "/" + strconv.Itoa(int(id)) }

// TrustTransport notes the transport key of another key server's custody, as that custody wrote it.
func (g *Group) TrustTransport(now machine.Now, id coop.ID, key []byte, out machine.Effects) machine.Effects {
	if g.cfg.Coop == nil || !g.cfg.Custody || id < 1 || id > coop.MaxKeyServers || id == g.cfg.Coop.ID || g.withdrawn ||
		len(key) == 0 || len(key) > maxTransport || bytes.Equal(g.replica.transports[id], key) {
		return out
	}
	mark(&g.replica.transports, id, bytes.Clone(key))
	mark(&g.durable.transports, id, true)
	return g.flush(now, g.wrapEverything(now, out))
}

// encodeTransport is nil where there is no such key.
func (g *Group) encodeTransport(id coop.ID) []byte {
	key := g.replica.transports[id]
	if c := g.cfg.Coop; c != nil && c.ID == id {
		key = g.cfg.Transport
	}
	if len(key) == 0 {
		return nil
	}
	return encode(key)
}

func (g *Group) restoreTransport(name string, b []byte) error {
	var key []byte
	id, err := parseID(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &key); err != nil {
		return err
	}
	if len(key) == 0 || len(key) > maxTransport {
		return errRecord
	}
	if c := g.cfg.Coop; c == nil || c.ID != id { // ours is what our custody says
		mark(&g.replica.transports, id, key)
	}
	return nil
}
