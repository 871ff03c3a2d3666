package ks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
)

// signingKey is the name of the key that signs for a group now, where base is the one in the configuration.
func (d *Daemon) signingKey(ctx context.Context, group, base string) (name string, err error) {
	err = d.loop.Do(ctx, func(machine.Now) { name = d.node.SigningKey(group, base) })
	return name, err
}

// rotate makes a new signature key for a group where the old one is, and has it signed with from then on. A key that was made
// and not taken into use, for a crash or an error, is taken the next time.
func (d *Daemon) rotate(ctx context.Context, r control.RotateRequest) (string, error) {
	if err := d.reloading.take(ctx); err != nil {
		return "", err
	}
	defer d.reloading.leave()
	kek, err := d.rotated(ctx, r.Group)
	if err != nil {
		return "", err
	}
	der, err := d.public.ensure(ctx, kek)
	switch {
	case errors.Is(err, hsm.ErrUnavailable) && ctx.Err() != nil:
		return "", control.Refused(fmt.Sprintf("group %s: the key %s is not made yet: the token is slow, or gone; ask again: it goes on making it (%v)", r.Group, kek.SignatureKey, err))
	case err != nil:
		return "", fmt.Errorf("group %s: key %s: %w", r.Group, kek.SignatureKey, err)
	}
	return translate.Command(ctx, d.loop, func(id uint64) machine.Event {
		return gdoi.CmdRotate{Group: r.Group, Key: kek.SignatureKey, Public: der, ID: id}
	})
}

// rotated is a group's KEK with the signature key that comes next, which may not be there yet.
func (d *Daemon) rotated(ctx context.Context, group string) (kek config.KEK, err error) {
	i := slices.IndexFunc(d.cfg.Groups, func(g config.KSGroup) bool { return g.Name == group })
	if i < 0 {
		return kek, control.Refused(fmt.Sprintf("no group %q here; see the snapshot for names", group))
	}
	kek = d.cfg.Groups[i].KEK
	kek.SignatureKey, err = d.nextSigningKey(ctx, group, kek.SignatureKey)
	return kek, err
}

// nextSigningKey is the name of the key that comes after the one that signs, and that no other group has.
func (d *Daemon) nextSigningKey(ctx context.Context, group, base string) (next string, err error) {
	doErr := d.loop.Do(ctx, func(machine.Now) {
		if why := d.node.Rotatable(group); why != nil {
			err = control.Refused(why.Error()) // before a key is made for nothing
			return
		}
		next = d.node.SigningKey(group, base)
		for next, err = custody.Successor(base, next); err == nil && d.node.SignsWith(group, next); {
			next, err = custody.Successor(base, next)
		}
	})
	return next, errors.Join(doErr, err)
}
