package keyserver

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// The key that signs PUSH messages can be replaced, and no member notices (Rotate). Where this key server sends them:
//
//	1  the shell makes the new key in the custody               nothing depends on it; a crash leaves a key that is used next time
//	2  there is a new KEK, which brings the new key to members. Its PUSH goes out under the old KEK, and the old key signs it.
//	   The KEK and the name of the new key are durable together (signer.go): after a restart each KEK signs as before.
//	3  4A later the old KEK has ended; a PUSH says whose keys members trust from now on, the old one not among them
//	4  when all key servers are there, the custody destroys the old key; then its name goes off the record. A crash in between:
//	   it is asked again.
//
// A secondary has no KEK of its own to bring the key. It tells the other key servers, the primary tells members, who trust
// the old key and the new one for a while (trust.go), and the secondary goes over to the new key when it has seen that the
// primary has told them, and 4A have passed. If it becomes primary before that, it signs with the old key and goes on at 2.

// Rotate has a key of that name, whose public half is der (SubjectPublicKeyInfo), sign for the group from now on, and the old
// one destroyed when nothing needs it. The key is in the custody. After an error nothing has changed.
func (g *Group) Rotate(now machine.Now, key string, der []byte, out machine.Effects) (string, machine.Effects, error) {
	cfg := g.cfg
	cfg.SignKey, cfg.SignPublic = key, bytes.Clone(der)
	if err := cfg.validateSignature(); err != nil {
		return "", out, fmt.Errorf("group %s: signature key %s: %w", g.cfg.Name, key, err)
	}
	if key == g.cfg.SignKey || bytes.Equal(der, g.cfg.SignPublic) {
		return "", out, fmt.Errorf("group %s signs with the key %s already", g.cfg.Name, g.cfg.SignKey)
	}
	if err := g.Rotatable(); err != nil {
		return "", out, err
	}
	next := &signKey{key: key, der: cfg.SignPublic}
	if !g.Active() {
		g.signer.next, g.durable.signer = next, true
		out = append(out, g.note(gdoi.NoteSignKeyRotated, machine.Info, fmt.Sprintf("the key %s is to sign instead of %s, when the members trust it", key, g.cfg.SignKey)))
		return fmt.Sprintf("%s is told to the other key servers; this one signs with it when the members trust it", key), g.flush(now, out), nil
	}
	old := g.cfg.SignKey
	out = g.switchSigner(now, next, out)
	return fmt.Sprintf("%s signs from now on; %s is destroyed when the last KEK that it signs has ended, in %v", key, old, g.signedUntil(now, g.signer.retiring[0].der)), out, nil
}

// Rotatable says why Rotate would be refused now, whatever the key; nil: it would not.
func (g *Group) Rotatable() error {
	s := &g.signer
	switch {
	case !g.started || g.withdrawn:
		return fmt.Errorf("group %s has ended", g.cfg.Name)
	case s.next != nil:
		return fmt.Errorf("group %s: the key %s has not taken the place of %s yet; wait until it has", g.cfg.Name, s.next.key, g.cfg.SignKey)
	case len(s.retiring) > 0:
		return fmt.Errorf("group %s: the key %s is not destroyed yet, as KEKs that it signs are alive, a key server is out of reach, or the custody does not answer; wait until it is", g.cfg.Name, s.retiring[0].key)
	case !g.Active():
		return nil
	}
	return cmp.Or(g.onSchedule(), g.renewable())
}

// switchSigner takes a key into use: on an active group with a new KEK.
func (g *Group) switchSigner(now machine.Now, next *signKey, out machine.Effects) machine.Effects {
	public, err := suite.ParseSignatureKey(next.der)
	if err != nil {
		return out // cannot be: Validate has read it
	}
	s := &g.signer
	s.retiring = append(s.retiring, &signKey{key: g.cfg.SignKey, der: g.cfg.SignPublic})
	out = append(out, g.note(gdoi.NoteSignKeyRotated, machine.Info, fmt.Sprintf("the key %s signs from now on, in the place of %s", next.key, g.cfg.SignKey)))
	g.cfg.SignKey, g.cfg.SignPublic, g.public, g.digest = next.key, next.der, public, [32]byte{}
	s.base, s.key, s.next, s.trustedAt = g.cfg.SignBase, next.key, nil, 0
	g.durable.signer = true
	if c := g.cfg.Coop; c != nil {
		mark(&g.durable.trust, c.ID, true)
		delete(g.replica.untold, c.ID)
	}
	if !g.Active() {
		return g.flush(now, out)
	}
	g.replica.trustAt = now.Mono
	return g.rekey(now, rekeying{kek: true}, out)
}

// signedUntil is how long KEKs that came with a key live on.
func (g *Group) signedUntil(now machine.Now, der []byte) (d time.Duration) {
	for _, k := range g.keks {
		if bytes.Equal(k.sign.der, der) {
			d = max(d, k.expires.Sub(now.Mono))
		}
	}
	return d.Round(time.Second)
}

// rotateRetry is the wait until what could not be done is looked at again.
const rotateRetry = time.Second

// followRotation does what is next in a rotation, if anything is.
func (g *Group) followRotation(now machine.Now, out machine.Effects) machine.Effects {
	s := &g.signer
	s.again.Stop()
	if n := s.next; n != nil && !g.withdrawn {
		switch {
		case g.Active() && g.takesKEK():
			out = g.switchSigner(now, n, out)
		case g.Active():
			s.again.Set(now.Mono.Add(rotateRetry))
		case !g.trustedNext():
			s.trustedAt = 0
		case s.trustedAt == 0:
			s.trustedAt = now.Mono
		case now.Mono >= s.trustedAt.Add(g.trustDelay()):
			out = g.switchSigner(now, n, out)
		}
	}
	for _, r := range slices.Clone(s.retiring) {
		if g.signedUntilSome(r) {
			continue
		}
		if !r.told {
			r.told = true
			out = g.announceTrust(now, out)
		}
		switch {
		case r.dying:
		case !g.settled() || !g.whole() || g.withdrawn:
			// Members of a key server that is out of reach trust the old key alone: what they are told when it is back is signed
			// with it (signingTrusted).
			s.again.Set(now.Mono.Add(rotateRetry))
		case g.cfg.SignKeyInUse != nil && g.cfg.SignKeyInUse(r.key):
			out = g.forgetSigner(r, fmt.Sprintf("the key %s stays: another group signs with it", r.key), out)
			out = g.flush(now, out)
		default:
			out = g.destroySigner(now, r, out)
		}
	}
	return out
}

// takesKEK says whether a new KEK can be made at once.
func (g *Group) takesKEK() bool {
	return len(g.keks) > 0 && g.onSchedule() == nil && g.renewable() == nil
}

// trustDelay is the time until members that are there have heard whom to trust.
func (g *Group) trustDelay() time.Duration { return 4 * g.cfg.ActivationDelay }

// trustedNext says whether the primary has told members of our next key: the record that it wrote of us says so.
func (g *Group) trustedNext() bool {
	us := g.cfg.Coop.ID
	return g.signer.next != nil && bytes.Equal(g.replica.trust[us], g.signer.next.der) && !g.replica.untold[us]
}

// signedUntilSome says whether anything is signed, or to be signed, by a key that was rotated out.
func (g *Group) signedUntilSome(r *signKey) bool {
	return bytes.Equal(r.der, g.cfg.SignPublic) || slices.ContainsFunc(g.keks, func(k *kek) bool { return bytes.Equal(k.sign.der, r.der) }) ||
		slices.ContainsFunc(g.deliveries, func(d *delivery) bool {
			return d.signKey == r.key && d.unsigned != nil && d.datagram == nil && d.tx == nil
		})
}

// settled says that the store has all that was changed: what it says must not name a key that is destroyed.
func (g *Group) settled() bool {
	return !g.durable.failing && len(g.durable.waiting) == 0 && !g.durable.dirty()
}

// announceTrust has members hear whom to trust from now on, and forget all other keys.
func (g *Group) announceTrust(now machine.Now, out machine.Effects) machine.Effects {
	if !g.Active() || g.withdrawn || len(g.keks) == 0 {
		return out
	}
	g.replica.trustAt = now.Mono
	g.version++
	return g.rekey(now, rekeying{}, out)
}

// destroySigner has the custody destroy a key.
func (g *Group) destroySigner(now machine.Now, r *signKey, out machine.Effects) machine.Effects {
	r.dying = true
	gone := func(now machine.Now, out machine.Effects) machine.Effects {
		return g.forgetSigner(r, fmt.Sprintf("the key %s, which signed rekeys, was destroyed", r.key), out) // afterCall writes it
	}
	return g.call(now, &keyCall{
		ask: machine.KeyCall{Op: machine.KeyDestroy, Key: r.key},
		done: func(now machine.Now, _ []byte, out machine.Effects) machine.Effects {
			return gone(now, out)
		},
		failed: func(now machine.Now, err error, out machine.Effects) (machine.Effects, bool) {
			if errors.Is(err, machine.ErrNoKey) { // it was, before a restart
				return gone(now, out), false
			}
			return out, true
		},
	}, out)
}

func (g *Group) forgetSigner(r *signKey, text string, out machine.Effects) machine.Effects {
	g.signer.retiring = slices.DeleteFunc(g.signer.retiring, func(o *signKey) bool { return o == r })
	g.durable.signer = true
	return append(out, g.note(gdoi.NoteSignKeyGone, machine.Info, text))
}

// rotationDeadline is when followRotation wants to be called, the ends of KEKs apart.
func (g *Group) rotationDeadline() (machine.Instant, bool) {
	s := &g.signer
	if s.next != nil && !g.Active() && g.trustedNext() {
		if s.trustedAt == 0 {
			return 0, true
		}
		return s.trustedAt.Add(g.trustDelay()), true
	}
	if s.next != nil && g.Active() && g.takesKEK() {
		return 0, true
	}
	return s.again.Deadline()
}
