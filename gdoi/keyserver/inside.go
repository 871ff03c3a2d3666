package keyserver

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// A PUSH under a KEK of the custody:
//
//	reveal     it brings a new KEK, whose value the custody tells for the step in which the message is built
//	op         it is signed
//	encrypt    its signed plaintext is encrypted inside the custody, in a step in which the value is told once more
//	datagram   as any other
//
// What fails is tried again, and a message that was not built yet says then what is so then.

// needsValue says whether a message brings a KEK that the custody keeps.
func (g *Group) needsValue(m *push.Message) bool {
	return m.Offer != nil && m.Offer.KEK != nil && m.Offer.LKH == nil && g.keks[len(g.keks)-1].name != ""
}

// build makes the message of a delivery under k.
func (g *Group) build(d *delivery, k *kek, m push.Message) error {
	m.SendAccessList = m.Offer != nil && g.members.allGetVPN()
	key := k.pushKey()
	u, err := push.Build(key, &m, key.Public.Scheme(g.cfg.SignForm))
	if err != nil {
		key.Destroy()
		return err
	}
	d.key, d.unsigned = key, u
	if d.trusts = 0; m.Offer != nil && m.Offer.Trusted != nil {
		d.trusts = g.replica.trusts
	}
	return nil
}

// advance asks for what a delivery needs next. It changes nothing but the delivery.
func (g *Group) advance(now machine.Now, d *delivery, out machine.Effects) machine.Effects {
	switch {
	case d.unsigned == nil:
		return g.reveal(now, d, out)
	case d.encrypt != nil:
		return out // it has a timer of its own
	case d.signed:
		return g.encrypt(now, d, out)
	}
	return g.requestSignature(now, d, out)
}

// reveal has the value of the newest KEK told, and builds the message with it.
func (g *Group) reveal(now machine.Now, d *delivery, out machine.Effects) machine.Effects {
	d.retry.Stop()
	if len(g.keks) == 0 {
		return g.revealFailed(now, d, errNoSpare, out)
	}
	newest := g.keks[len(g.keks)-1]
	d.brings = newest.name
	return g.withKEK(now, newest, func(now machine.Now, err error, out machine.Effects) machine.Effects {
		k := g.kekWith(d.kek)
		switch {
		case !slices.Contains(g.deliveries, d) || d.unsigned != nil:
			return out
		case k == nil:
			d.dead = true
			return g.revealFailed(now, d, errEnded, out)
		case err != nil && g.urgent(now, newest):
			return g.tellWithout(now, d, k, err, out)
		case err != nil:
			return g.revealFailed(now, d, err, out)
		case newest != g.keks[len(g.keks)-1]:
			return g.reveal(now, d, out) // another one came meanwhile
		}
		m := d.message
		m.Offer = g.announcement(now, k)
		if err := g.build(d, k, m); err != nil {
			return g.revealFailed(now, d, err, out)
		}
		if d.brings != "" {
			d.unsigned.Hide(newest.key.Bytes())
		}
		return g.requestSignature(now, d, out)
	}, out)
}

var errEnded = errors.New("its KEK has ended")

func (g *Group) revealFailed(now machine.Now, d *delivery, err error, out machine.Effects) machine.Effects {
	first := d.failed == ""
	d.retry.Set(now.Mono.Add(d.signRetry()))
	if d.failed = err.Error(); !first {
		return out
	}
	return append(out, g.custodyFailed(d, err))
}

// signRetry is the wait after a failure.
func (d *delivery) signRetry() time.Duration {
	if d.name == "" {
		return signRetry
	}
	d.fails++
	return keyBackoff(d.fails)
}

// recovered draws the consequences when the custody does what it did not do for a while: what was to be told then is told
// now, with as much time for everybody to hear of it as is left.
func (g *Group) recovered(now machine.Now, out machine.Effects) machine.Effects {
	late := func(d *delivery) bool { return d.datagram == nil && now.Mono.Sub(d.made) > g.cfg.ActivationDelay/4 }
	if !g.custody.failing {
		return out
	}
	g.custody.failing = false
	if !g.cfg.Custody || !g.Active() || g.withdrawn || !slices.ContainsFunc(g.deliveries, late) {
		return out
	}
	g.giveTime(now)
	g.version++ // who registers now was told the time of before
	return g.announceAgain(now, rekeying{}, out)
}

// hurry tries again what has failed: the custody is back.
func (d *delivery) hurry(now machine.Now) {
	if d.datagram == nil && d.failed != "" && d.encrypt == nil {
		d.retry.Set(now.Mono)
	}
}

// encryptsWith says whether the custody has still to encrypt something with a KEK.
func (d *delivery) encryptsWith(name string) bool { return d.name == name && d.datagram == nil }

// custodyStage says whether it waits for a KEK and not for a signature.
func (d *delivery) custodyStage() bool { return d.unsigned == nil || d.signed }

// addSignature has the custody encrypt what it has signed.
func (g *Group) addSignature(now machine.Now, d *delivery, signature []byte, out machine.Effects) machine.Effects {
	if err := d.unsigned.AddSignature(signature); err != nil {
		return g.dropDelivery(d, err, out)
	}
	d.signed = true
	return g.encrypt(now, d, out)
}

// encrypt has the plaintext encrypted; the KEK that it brings is told once more for that.
func (g *Group) encrypt(now machine.Now, d *delivery, out machine.Effects) machine.Effects {
	if g.isComing(d.name) {
		d.retry.Set(now.Mono.Add(keyPatience)) // there goes on with it
		return out
	}
	d.retry.Stop()
	if d.brings == "" {
		return g.encryptWith(now, d, nil, out)
	}
	brings := g.named(d.brings)
	if brings == nil { // it has ended meanwhile: say what is so now
		d.destroy()
		d.unsigned, d.signed = nil, false
		return g.reveal(now, d, out)
	}
	return g.withKEK(now, brings, func(now machine.Now, err error, out machine.Effects) machine.Effects {
		switch {
		case !slices.Contains(g.deliveries, d) || !d.signed || d.encrypt != nil || d.datagram != nil:
			return out
		case err != nil:
			return g.revealFailed(now, d, err, out)
		}
		return g.encryptWith(now, d, brings.key.Bytes(), out)
	}, out)
}

// encryptWith has the plaintext encrypted with a value in the place where it was.
func (g *Group) encryptWith(now machine.Now, d *delivery, value []byte, out machine.Effects) machine.Effects {
	if d.unsigned.Show(value); d.name == "" { // its own KEK is in the process
		datagram, err := d.unsigned.Encrypt()
		return g.encrypted(d, datagram, err, out)
	}
	d.encrypt = &keyCall{
		ask: machine.KeyCall{Op: machine.KeyEncrypt, Key: d.name, IV: slices.Clone(d.key.IV.Bytes())},
		done: func(_ machine.Now, body []byte, out machine.Effects) machine.Effects {
			if d.encrypt = nil; !slices.Contains(g.deliveries, d) {
				return out
			}
			datagram, err := d.unsigned.Datagram(body)
			return g.encrypted(d, datagram, err, out)
		},
		failed: func(now machine.Now, err error, out machine.Effects) (machine.Effects, bool) {
			d.encrypt = nil
			if errors.Is(err, machine.ErrNoKey) {
				var back bool
				if out, back = g.noKey(now, d.name, err, out); back {
					d.retry.Set(now.Mono.Add(keyPatience))
					return out, false
				}
				d.dead = true
			}
			return g.revealFailed(now, d, err, out), false
		},
	}
	d.encrypt.data = d.unsigned.Plain
	out = g.call(now, d.encrypt, out)
	d.unsigned.Hide(value)
	return out
}

// encrypted takes the datagram; deliver follows.
func (g *Group) encrypted(d *delivery, datagram []byte, err error, out machine.Effects) machine.Effects {
	if err != nil {
		return g.dropDelivery(d, err, out)
	}
	d.destroy()
	d.failed, d.datagram = "", datagram
	return out
}

// dropDelivery gives up a message: the next rekey, or members' registrations, carry what it said.
func (g *Group) dropDelivery(d *delivery, err error, out machine.Effects) machine.Effects {
	g.deliveries = slices.DeleteFunc(g.deliveries, func(o *delivery) bool { return o == d })
	d.destroy()
	return append(out, g.custodyFailed(d, err))
}

func (g *Group) custodyFailed(d *delivery, err error) machine.Note {
	n := g.note(gdoi.NoteSignFailed, machine.Error, fmt.Sprintf("rekey %d waits for the key custody: %v", d.seq, err))
	n.Reason = "custody"
	return n
}
