package keyserver

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

const trustKind = "trust"

func trustKey(id coop.ID) string { return trustKind + "/" + strconv.Itoa(int(id)) }

// Trust notes the public key (DER SubjectPublicKeyInfo) that another key server signs PUSH messages with. Members are told
// of all keys that differ from the one that signs; where all key servers have one key there is nothing to tell.
func (g *Group) Trust(now machine.Now, id coop.ID, der []byte, out machine.Effects) machine.Effects {
	if g.cfg.Coop == nil || id < 1 || id > coop.MaxKeyServers || bytes.Equal(g.replica.trust[id], der) {
		return out
	}
	if _, err := suite.ParseSignatureKey(der); err != nil {
		return out
	}
	before := g.trusted()
	mark(&g.replica.trust, id, bytes.Clone(der))
	mark(&g.durable.trust, id, true)
	if !g.Active() || !g.started || g.withdrawn || len(g.keks) == 0 || slices.EqualFunc(before, g.trusted(), bytes.Equal) {
		return g.flush(now, out)
	}
	g.replica.trustAt = now.Mono
	g.version++
	return g.rekey(now, rekeying{}, out)
}

// trusted lists the keys of others that members should trust beside the one that comes with the KEK, by id. It is empty
// and not nil where there are none, and nil where no other key server can be.
func (g *Group) trusted() [][]byte {
	if g.cfg.Coop == nil {
		return nil
	}
	out := [][]byte{}
	signer := g.cfg.SignPublic
	if n := len(g.keks); n > 0 {
		signer = g.keks[n-1].sign.der
	}
	for id := coop.ID(1); id <= coop.MaxKeyServers; id++ {
		der := g.replica.trust[id]
		if id == g.cfg.Coop.ID {
			der = g.cfg.SignPublic
		}
		if der != nil && !bytes.Equal(der, signer) && !slices.ContainsFunc(out, func(o []byte) bool { return bytes.Equal(o, der) }) {
			out = append(out, der)
		}
	}
	return out
}

func (g *Group) encodeTrust(id coop.ID) []byte {
	der := g.replica.trust[id]
	if c := g.cfg.Coop; c != nil && c.ID == id {
		der = g.cfg.SignPublic
	}
	if der == nil {
		return nil
	}
	return encode(der)
}

func (g *Group) restoreTrust(name string, b []byte) error {
	var der []byte
	id, err := parseID(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &der); err != nil {
		return err
	}
	if _, err := suite.ParseSignatureKey(der); err != nil {
		return err
	}
	mark(&g.replica.trust, id, der)
	return nil
}
