package ks

import (
	"context"
	"sync"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/wipe"
)

// openKeys opens what keeps the keys, and returns what seals the state.
func (d *Daemon) openKeys(ctx context.Context) (hsm.Sealer, error) {
	c := d.cfg.Custody
	if c == nil {
		if err := custody.CheckFiles(d.cfg.State); err != nil {
			return nil, err
		}
	}
	var h hsm.Token
	d.watch = custody.NewWatch(func(ctx context.Context) error { return custody.Alive(h)(ctx) }, d.custodyState) // not measured: it is nobody's work
	var err error
	h, err = custody.OpenToken(ctx, c, d.cfg.State, custody.TokenOptions{
		Notify: func(error) { d.watch.Hurry() }, Fault: d.tokenFault,
	})
	if err != nil {
		return nil, err
	}
	d.keys = custody.Measure(h)
	if n := h.Info().Notice; n != "" {
		d.log.Warn(n, "directory", custody.FilesDir(d.cfg.State))
	}
	d.public = newPublicKeys(d.keys)
	d.keks = newKEKCustody(d.keys)
	if c == nil {
		return d.keys.Sealer(), nil
	}
	if c.TEKFromToken {
		d.random = newMixer(d.keys.Random, func() {
			d.log.Warn("TEKs are drawn from the system's generator alone for now: the token's octets are used up, and it gives no more")
		})
	}
	return custody.OpenState(ctx, d.keys, d.cfg.State)
}

// ensureTransport sees to our transport key, where KEKs are in the custody.
func (d *Daemon) ensureTransport(ctx context.Context) error {
	if d.cfg.Custody == nil || !d.cfg.Custody.KEKInToken {
		return nil
	}
	if _, err := d.keks.window(); err != nil { // now, and not while a member waits for it
		return err
	}
	var err error
	d.transport, err = ensureTransport(ctx, d.keys)
	return err
}

// keyCall carries out what the machine asks of the custody.
func (d *Daemon) keyCall(ctx context.Context, c machine.KeyCall) ([]byte, error) {
	if c.Op == machine.KeyDestroy {
		d.public.forget(c.Key) // it may be a signature key that was rotated out
	}
	return d.keks.call(ctx, c)
}

// custodySnapshot is the custody for consoles.
func (d *Daemon) custodySnapshot(n node.KSSnapshot) *control.Custody {
	c := d.keys.Snapshot()
	c.KEKs = control.CustodyProcess
	if d.cfg.Custody != nil && d.cfg.Custody.KEKInToken {
		c.KEKs = control.CustodyToken
	}
	for _, g := range n.Groups {
		c.Signatures = append(c.Signatures, control.CustodySigning{Group: g.Name, Key: g.Signer.Key, Next: g.Signer.Next, Retiring: g.Signer.Retiring})
	}
	custody.Degrade(c)
	if !c.Ready && d.pki.InToken() {
		c.Degraded = append(c.Degraded, custody.NoPhase1)
	}
	return c
}

// unwiped is what an operator must know of a build that cannot wipe; see package wipe.
const unwiped = "KEKs are in the token, but this build does not wipe what registrations leave of them in memory: build it by make build, with Go 1.26 for Linux on amd64 or arm64 (GOEXPERIMENT=runtimesecret)"

// notices is what an operator must know of the custody at any time.
func (d *Daemon) notices() (all []string) {
	if n := d.keys.Info().Notice; n != "" {
		all = append(all, n)
	}
	if c := d.cfg.Custody; c != nil && c.KEKInToken && !c.Files && !wipe.Works {
		all = append(all, unwiped)
	}
	return all
}

// custodyState tells the machine that the custody was lost or is back.
func (d *Daemon) custodyState(ctx context.Context, s machine.CustodyState) {
	d.keys.Changed()
	_ = d.loop.Post(ctx, s) // after the end nobody needs it
}

// guard runs what goes on beside the loop until ctx ends, and returns how to wait for its end.
func (d *Daemon) guard(ctx context.Context) (wait func()) {
	var all sync.WaitGroup
	if c := d.cfg.Custody; c != nil && !c.Files {
		all.Go(func() { d.watch.Run(ctx) })
	}
	if d.random != nil {
		all.Go(func() { d.random.run(ctx) })
	}
	return all.Wait
}
