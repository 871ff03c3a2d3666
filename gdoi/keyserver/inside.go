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
//	message    it brings a new KEK, whose value the custody tells for the step in which the message is built
//	op         it is signed
//	encrypt    its signed plaintext is encrypted inside the custody
//	datagram   as any other
//
// What fails is tried again, and a message that was not built yet says then what is so then.

// needsValue says whether a message holds the value of the newest KEK, and the custody has to tell it first.
func (g *Group) needsValue(m *push.Message) bool {
	return m.Offer != nil && m.Offer.KEK != nil && m.Offer.LKH == nil && !g.keks[len(g.keks)-1].open()
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
	d.key, d.unsigned, d.message = key, u, nil
	return nil
}

// advance asks for what a delivery needs next. It changes nothing but the delivery.
func (g *Group) advance(now machine.Now, d *delivery, out machine.Effects) machine.Effects {
	switch {
	case d.message != nil:
		return g.reveal(now, d, out)
	case d.encrypt != nil:
		return out // it has a timer of its own
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
	return g.withKEK(now, newest, func(now machine.Now, err error, out machine.Effects) machine.Effects {
		k := g.kekWith(d.kek)
		switch {
		case !slices.Contains(g.deliveries, d) || d.message == nil:
			return out
		case k == nil || err != nil:
			return g.revealFailed(now, d, err, out)
		}
		m := *d.message
		if m.Offer = g.announcement(now, k); g.needsValue(&m) {
			return g.reveal(now, d, out) // another KEK came meanwhile
		}
		if err := g.build(d, k, m); err != nil {
			return g.revealFailed(now, d, err, out)
		}
		return g.requestSignature(now, d, out)
	}, out)
}

func (g *Group) revealFailed(now machine.Now, d *delivery, err error, out machine.Effects) machine.Effects {
	if err == nil {
		err = errors.New("its KEK has ended")
	}
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

// hurry tries again what has failed: the custody is back.
func (d *delivery) hurry(now machine.Now) {
	if d.datagram == nil && d.failed != "" && d.encrypt == nil {
		d.retry.Set(now.Mono)
	}
}

// encryptsWith says whether the custody has still to encrypt something with a KEK.
func (d *delivery) encryptsWith(name string) bool { return d.name == name && d.datagram == nil }

// custodyStage says whether it waits for a KEK and not for a signature.
func (d *delivery) custodyStage() bool { return d.message != nil || d.encrypt != nil }

// signed has the custody encrypt what it has signed.
func (g *Group) signed(now machine.Now, d *delivery, signature []byte, out machine.Effects) machine.Effects {
	d.retry.Stop()
	if err := d.unsigned.AddSignature(signature); err != nil {
		return g.dropDelivery(d, err, out)
	}
	d.encrypt = &keyCall{
		ask:  machine.KeyCall{Op: machine.KeyEncrypt, Key: d.name, IV: slices.Clone(d.key.IV.Bytes())},
		data: d.unsigned.Plain,
		done: func(now machine.Now, body []byte, out machine.Effects) machine.Effects {
			d.encrypt = nil
			datagram, err := d.unsigned.Datagram(body)
			if err != nil {
				return g.dropDelivery(d, err, out)
			}
			d.destroy()
			d.failed, d.datagram = "", datagram
			return out // deliver follows
		},
		failed: func(now machine.Now, err error, out machine.Effects) (machine.Effects, bool) {
			if errors.Is(err, machine.ErrNoKey) {
				d.encrypt = nil
				out = g.dropDelivery(d, fmt.Errorf("%w does not have its KEK", ErrCustody), out)
				return g.noKey(now, d.name, err, out), false
			}
			first := d.failed == ""
			if d.failed = err.Error(); first {
				out = append(out, g.custodyFailed(d, err))
			}
			return out, true
		},
	}
	return g.call(now, d.encrypt, out)
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
