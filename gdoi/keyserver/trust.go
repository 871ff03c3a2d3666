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
		g.keepFormers(now)
	}
	mark(&g.replica.trust, id, bytes.Clone(der))
	mark(&g.durable.trust, id, true)
	if len(g.keks) == 0 || slices.EqualFunc(before, g.trusted(), bytes.Equal) {
		return g.flush(now, out)
	}
	mark(&g.replica.untold, id, true)
	if !g.Active() || !g.started || g.withdrawn {
		return g.flush(now, out)
	}
	g.replica.trusts++
	return g.announceTrust(now, out)
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

// trustTold notes that members are told whom to trust, now and not when that was to be signed, and has the key servers
// know that. The caller writes it.
func (g *Group) trustTold(now machine.Now) {
	r := &g.replica
	if len(r.untold) == 0 {
		return
	}
	for id := range r.untold {
		mark(&g.durable.trust, id, true)
	}
	r.untold, r.trustAt = nil, now.Mono
	if len(r.formers) > 0 {
		g.keepFormers(now)
	}
}

// keepFormers has members trust the keys that other key servers have replaced for a while from now.
func (g *Group) keepFormers(now machine.Now) {
	g.replica.formersEnd.Set(now.Mono.Add(2 * g.trustDelay()))
}

// endFormers has members forget the keys that other key servers have replaced.
func (g *Group) endFormers(now machine.Now, out machine.Effects) machine.Effects {
	r := &g.replica
	if !r.formersEnd.Due(now.Mono) {
		return out
	}
	if len(r.untold) > 0 {
		g.keepFormers(now) // from when the successors are told
		return out
	}
	r.formersEnd.Stop()
	for id := range r.formers {
		mark(&g.durable.trust, id, true)
	}
	r.formers = nil
	return g.announceTrust(now, out)
}

func (g *Group) encodeTrust(id coop.ID) []byte {
	der := g.replica.trust[id]
	if c := g.cfg.Coop; c != nil && c.ID == id {
		der = g.cfg.SignPublic
	}
	if der == nil {
		return nil
	}
	if r := (trustRecord{der, g.replica.formers[id], g.replica.untold[id]}); r.Former != nil || r.Untold {
		return encode(r)
	}
	return encode(der)
}

// trustRecord is the record of a key server whose key has changed; otherwise it is the key alone.
type trustRecord struct {
	Key    []byte
	Former []byte `json:",omitempty"`
	// Untold: no message to members has named Key yet.
	Untold bool `json:",omitempty"`
}

func (g *Group) restoreTrust(name string, b []byte) error {
	id, err := parseID(name)
	if err != nil {
		return err
	}
	var r trustRecord
	if json.Unmarshal(b, &r.Key) != nil {
		if err := json.Unmarshal(b, &r); err != nil {
			return err
		}
	}
	if _, err := suite.ParseSignatureKey(r.Key); err != nil {
		return err
	}
	mark(&g.replica.trust, id, r.Key)
	if r.Untold {
		mark(&g.replica.untold, id, true)
	}
	if r.Former == nil {
		return nil
	}
	if _, err := suite.ParseSignatureKey(r.Former); err != nil {
		return err
	}
	mark(&g.replica.formers, id, r.Former)
	return nil
}
