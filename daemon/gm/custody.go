package gm

import (
	"context"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// openCustody opens the token of the configuration, if there is one, and checks that it has the keys of our certificates.
func (d *Daemon) openCustody(ctx context.Context) error {
	c := d.cfg.Custody
	if c == nil || !d.pki.InToken() { // nothing else of a member is in a token
		return nil
	}
	h, err := custody.OpenToken(ctx, c, d.cfg.State, custody.TokenOptions{Notify: func(error) { d.watch.Hurry() }})
	if err != nil {
		return err
	}
	d.custody = custody.Measure(h)
	if n := h.Info().Notice; n != "" {
		d.log.Warn(n, "directory", custody.FilesDir(d.cfg.State))
	}
	return d.pki.UseToken(ctx, d.custody)
}

// askCustody asks the token, not measured: it is nobody's work.
func (d *Daemon) askCustody(ctx context.Context) error { return custody.Alive(d.custody.Token)(ctx) }

// custodyState tells the machine that the token was lost or is back.
func (d *Daemon) custodyState(ctx context.Context, s machine.CustodyState) {
	d.custody.Changed()
	_ = d.loop.Post(ctx, s) // after the end nobody needs it
}

// custodySnapshot is the token for consoles; nil: there is none.
func (d *Daemon) custodySnapshot() *control.Custody {
	if d.custody == nil {
		return nil
	}
	c := d.custody.Snapshot()
	if !c.Ready && d.pki.InToken() {
		c.Degraded = append(c.Degraded, custody.NoPhase1)
	}
	return c
}
