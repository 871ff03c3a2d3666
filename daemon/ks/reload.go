package ks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/loop"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/hsm"
)

// turn is a lock of one that is not waited for longer than a context lives: what holds it may wait for a slow token, and whoever
// asked for something else must hear that nothing was done.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("something else that reads the configuration is under way; nothing was done, ask again: %w", ctx.Err())
	}
}

func (t turn) leave() { <-t }

// secret is the pre-shared key of a peer, of the configuration that is in force now.
func (d *Daemon) secret(peer netip.Addr) *machine.Secret {
	return translate.PSKs(*d.secrets.Load())(peer)
}

// Reconfigure implements process.Reconfigurer: what can change of the configuration file changes. What cannot, and a file
// that is not valid, is said in the journal.
func (d *Daemon) Reconfigure(ctx context.Context) {
	_, _ = d.apply(ctx, control.PlanRequest{}) // both ways end in the journal
}

// read loads the configuration file again. Keys that it names and the custody does not have are made with create;
// without, keys that nobody has stand for them.
func (d *Daemon) read(ctx context.Context, create bool) (*config.KS, node.KSConfig, error) {
	c, err := config.LoadKS(d.cfg.File)
	if err != nil {
		return nil, node.KSConfig{}, err
	}
	if err := Check(c); err != nil {
		return nil, node.KSConfig{}, fmt.Errorf("%s: %w", d.cfg.File, err)
	}
	var absent standIns
	nc, err := translate.KeyServerNode(c, d.sources(), d.transport, func(group string, k config.KEK) (translate.SignatureKey, error) {
		name, err := d.signingKey(ctx, group, k.SignatureKey)
		if err != nil {
			return translate.SignatureKey{}, err
		}
		k.SignatureKey = name
		var der []byte
		if create {
			der, err = d.public.ensure(ctx, k)
		} else if der, err = d.public.get(ctx, k); errors.Is(err, hsm.ErrNoKey) {
			der, err = absent.of(k)
		}
		return translate.SignatureKey{Name: name, Public: der}, err
	})
	return c, nc, err
}

// plan says what the configuration file, read again, would change.
func (d *Daemon) plan(ctx context.Context, r control.PlanRequest) (*control.Plan, error) {
	if err := d.reloading.take(ctx); err != nil {
		return nil, err
	}
	defer d.reloading.leave()
	refuse := d.refuse
	if r.Quiet {
		refuse = func(err error) error { return control.Refused(err.Error()) }
	}
	_, p, err := d.look(ctx, r)
	if err != nil {
		return nil, refuse(err)
	}
	if !r.Quiet {
		d.note(translate.NotesPlanned(p)...)
	}
	return p, nil
}

// look reads the configuration file and compares it with what is in force. The journal does not hear of it.
func (d *Daemon) look(ctx context.Context, r control.PlanRequest) (*config.KS, *control.Plan, error) {
	c, nc, err := d.read(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	p, err := d.planned(ctx, r, c, nc)
	return c, p, err
}

// apply reads the configuration file again and changes what can change. After an error all is as it was.
func (d *Daemon) apply(ctx context.Context, r control.PlanRequest) (*control.Plan, error) {
	if err := d.reloading.take(ctx); err != nil {
		return nil, err
	}
	defer d.reloading.leave()
	c, nc, err := d.read(ctx, true)
	if err != nil {
		return nil, d.refuse(err)
	}
	p, err := d.planned(ctx, r, c, nc)
	if err != nil {
		return nil, d.refuse(err)
	}
	if why := p.Refused(); why != "" {
		return nil, d.refuse(errors.New(why))
	}
	if err := d.routeMulticast(c); err != nil {
		return nil, d.refuse(err)
	}
	// Whoever sees the machine's events, or has our answer, sees the new configuration in the next snapshot.
	known, next := d.cfg.Warnings, translate.Merged(d.cfg, c, r.Group)
	_, err = d.loop.CommandThen(context.WithoutCancel(ctx), func(id uint64) machine.Event {
		return node.Reconfigure{Groups: nc.Groups, Only: r.Group, Now: r.Now, Coop: translate.Cooperation(next), ID: id}
	}, func() {
		d.cfg = next
		if r.Group == "" {
			d.secrets.Store(&c.PSKs)
			d.faults.Store(&c.Faults)
		}
	})
	if err != nil {
		return nil, d.refuse(err)
	}
	d.note(translate.NotesApplied(known, c.Warnings, p)...)
	p.Applied = true
	return p, nil
}

// refuse tells the journal, and makes an error the operator's to repair.
func (d *Daemon) refuse(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, loop.ErrStopped) {
		return err
	}
	d.note(translate.NoteRefused(err.Error()))
	return control.Refused(err.Error() + translate.Kept)
}

func (d *Daemon) note(all ...machine.Note) {
	for _, n := range all {
		d.sink.Note(d.clock.Now(), n)
	}
}

// planned puts a plan together.
func (d *Daemon) planned(ctx context.Context, r control.PlanRequest, c *config.KS, nc node.KSConfig) (*control.Plan, error) {
	var plans []keyserver.Plan
	var err error
	derr := d.loop.Do(ctx, func(now machine.Now) {
		plans, err = d.node.Plan(now, node.Reconfigure{Groups: nc.Groups, Only: r.Group, Now: r.Now})
	})
	if err = errors.Join(derr, err); err != nil {
		return nil, err
	}
	return translate.Plan(d.cfg, c, r, plans), nil
}
