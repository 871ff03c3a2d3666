package keyserver

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

const trustKind = "trust"

func trustKey(id coop.ID) string { return trustKind + "/" + strconv.Itoa(int(id)) }

// Trust notes the public key (DER SubjectPublicKeyInfo) that another key server signs PUSH messages with. Members are told
// of all keys that differ from the one that signs; where all key servers have one key there is nothing to tell. A key server
// that has another key than before is trusted with both for a while.
func (g *Group) Trust(now machine.Now, id coop.ID, der []byte, out machine.Effects) machine.Effects {
	if g.cfg.Coop == nil || id < 1 || id > coop.MaxKeyServers || bytes.Equal(g.replica.trust[id], der) {
		return out
	}
	if _, err := suite.ParseSignatureKey(der); err != nil {
		return out
	}
	before := g.trusted()
	if old := g.replica.trust[id]; old != nil && g.Active() {
		// It may sign with the old key until it has seen that members know the new one.
		mark(&g.replica.formers, id, old)
		g.replica.formersEnd.Set(now.Mono.Add(2 * g.trustDelay()))
	}
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
	if g.cfg.Coop == nil && g.replica.trustAt == 0 {
		return nil
	}
	out := [][]byte{}
	signer := g.cfg.SignPublic
	if n := len(g.keks); n > 0 {
		signer = g.keks[n-1].sign.der
	}
	add := func(der []byte) {
		if der != nil && len(out) < pull.MaxTrusted && !bytes.Equal(der, signer) && !slices.ContainsFunc(out, func(o []byte) bool { return bytes.Equal(o, der) }) {
			out = append(out, der)
		}
	}
	for id := coop.ID(1); id <= coop.MaxKeyServers; id++ {
		if c := g.cfg.Coop; c != nil && id == c.ID {
			add(g.cfg.SignPublic)
		} else {
			add(g.replica.trust[id])
		}
	}
	for id := coop.ID(1); id <= coop.MaxKeyServers; id++ {
		add(g.replica.formers[id])
	}
	return out
}

// endFormers has members forget the keys that other key servers have replaced.
func (g *Group) endFormers(now machine.Now, out machine.Effects) machine.Effects {
	r := &g.replica
	if !r.formersEnd.Due(now.Mono) {
		return out
	}
	r.formersEnd.Stop()
	for id := range r.formers {
		mark(&g.durable.trust, id, true)
	}
	r.formers = nil
	return g.untrust(now, out)
}

func (g *Group) encodeTrust(id coop.ID) []byte {
	der := g.replica.trust[id]
	if c := g.cfg.Coop; c != nil && c.ID == id {
		der = g.cfg.SignPublic
	}
	if der == nil {
		return nil
	}
	if former := g.replica.formers[id]; former != nil {
		return encode([][]byte{der, former})
	}
	return encode(der)
}

func (g *Group) restoreTrust(name string, b []byte) error {
	id, err := parseID(name)
	if err != nil {
		return err
	}
	keys := [][]byte{nil}
	if json.Unmarshal(b, &keys[0]) != nil {
		if err := json.Unmarshal(b, &keys); err != nil {
			return err
		}
	}
	if len(keys) < 1 || len(keys) > 2 {
		return errRecord
	}
	for _, der := range keys {
		if _, err := suite.ParseSignatureKey(der); err != nil {
			return err
		}
	}
	mark(&g.replica.trust, id, keys[0])
	if len(keys) > 1 {
		mark(&g.replica.formers, id, keys[1])
	}
	return nil
}
