package member

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
)

// takePath keeps the path of a registration. Without one, or with one that is unusable, the member registers again when
// somebody is removed.
func (g *Group) takePath(o *pull.Offer, out machine.Effects) machine.Effects {
	g.path.Destroy()
	g.path = nil
	if o.LKH == nil || o.LKH.Path == nil || o.KEK == nil {
		return out
	}
	var err error
	if g.path, err = lkh.NewPath(o.LKH.Path, o.KEK.Suite, o.KEK.IV, o.KEK.Key); err != nil {
		out = append(out, g.note(gdoi.NoteRegisterFailed, machine.Warning, "the path in the key tree is unusable: "+err.Error()))
	}
	return out
}

// updateKEK derives the KEK of an offer from update arrays, if it comes by them. A KEK that is known already has come by
// the same arrays under another KEK. A member without a path, or that the arrays leave out, must register again.
func (g *Group) updateKEK(now machine.Now, o *pull.Offer) (bool, error) {
	if o.LKH == nil || len(o.LKH.Updates) == 0 || o.KEK == nil || o.KEK.Key.Len() > 0 {
		return false, nil
	}
	if g.kek(o.KEK.SPI) != nil {
		return true, nil
	}
	if g.path == nil {
		return false, fmt.Errorf("member: KEK %v comes by update arrays, and there is no path in the key tree", o.KEK.SPI)
	}
	iv, key, err := g.path.Apply(o.LKH.Updates)
	if err != nil {
		return false, err
	}
	o.KEK.IV, o.KEK.Key = iv, key // the offer wipes them
	if o.DTD > 0 {
		for _, k := range g.keks {
			k.expires = min(k.expires, now.Mono.Add(o.DTD))
		}
	}
	return true, nil
}

// rekeyedByTree: somebody was removed. TEKs follow under the new KEK at once; without them this member registers again, as it
// would without a rekey that was due.
func (g *Group) rekeyedByTree(now machine.Now, o *pull.Offer, out machine.Effects) machine.Effects {
	g.found()
	if at := now.Mono.Add(g.base + g.jitter(g.base/2)); g.sooner(at) {
		g.renewal.Set(at)
		g.renewalCause = causeMissed
	}
	return append(out, g.note(gdoi.NoteKEKUpdated, machine.Info, fmt.Sprintf("KEK %v derived from the key tree", o.KEK.SPI)))
}

// found ends the attempt to get what has come in the meantime.
func (g *Group) found() {
	if (g.cause == causeMissed || g.cause == causeUnknownKEK || g.cause == causeUnknownSigner) && !g.connecting && g.exchange == nil {
		g.attempt.Stop()
		g.failures, g.reason = 0, ""
	}
}

// UnknownKEK says that a rekey under a KEK that no group has came from an address. If that is a key server's, and no KEK
// that we had, the message with the KEK was lost, unless one of its repetitions still comes. Anybody can send such
// datagrams, so they cause no more than a registration now and then.
func (g *Group) UnknownKEK(now machine.Now, spi gdoi.KEKSPI, from netip.AddrPort, out machine.Effects) machine.Effects {
	if slices.Contains(g.lostKEKs, spi) {
		return out
	}
	return g.unknownRekey(now, causeUnknownKEK, from, out)
}

// unknownSigner says that a rekey was signed by none of the keys that are trusted: that of a key server which has joined the
// group, perhaps, and the message that said so was lost. A member that holds the KEK can cause this.
func (g *Group) unknownSigner(now machine.Now, from netip.AddrPort, out machine.Effects) machine.Effects {
	return g.unknownRekey(now, causeUnknownSigner, from, out)
}

func (g *Group) unknownRekey(now machine.Now, c cause, from netip.AddrPort, out machine.Effects) machine.Effects {
	if !g.state.HoldsKeys() || g.busy() || !g.isKeyServer(from) || !g.heedAlarm(now) {
		return out
	}
	out = g.renew(now, c, 0, out)
	g.attempt.Set(now.Mono.Add(g.base/2 + g.jitter(g.base/2)))
	return out
}

// isKeyServer says whether rekeys may come from an address: the primary need not be the one that this member registered
// with, nor one that it is configured with.
func (g *Group) isKeyServer(a netip.AddrPort) bool {
	return slices.Contains(g.servers.list, a) || a == g.rekeyedBy
}
