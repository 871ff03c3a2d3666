package ks

import (
	"context"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// command makes the handler of a request that is a command of the machine's.
func command[T any](d *Daemon) func(context.Context, T) (string, error) {
	return func(ctx context.Context, r T) (string, error) {
		return translate.Command(ctx, d.loop, func(id uint64) machine.Event { return translate.CommandOf(r, id) })
	}
}

// dryRun says what a change would do, and does not do it. The dry run of apply is a plan, which is refused if apply would be, and
// of which the journal does not hear: nobody asked for a plan, and nothing changes.
func (d *Daemon) dryRun(ctx context.Context, request any) (control.Reply, error) {
	switch r := request.(type) {
	case control.PlanRequest:
		return d.dryApply(ctx, r)
	case control.RotateRequest:
		return d.dryRotate(ctx, r)
	}
	ev, err := translate.Foreseen(request)
	if err != nil {
		return control.Reply{}, err
	}
	return translate.DryRun(ctx, d.loop, d.node, ev)
}

func (d *Daemon) dryApply(ctx context.Context, r control.PlanRequest) (control.Reply, error) {
	if err := d.reloading.take(ctx); err != nil {
		return control.Reply{}, err
	}
	defer d.reloading.leave()
	c, p, err := d.look(ctx, r)
	if err != nil {
		return control.Reply{}, control.Refused(err.Error())
	}
	if why := p.Refused(); why != "" {
		return control.Reply{}, control.Refused(why)
	}
	var unforeseen []string
	if p.Changes() {
		unforeseen = append(unforeseen, "keys that the file names and the key custody does not have must be made there first")
	}
	if slices.ContainsFunc(c.Groups, func(g config.KSGroup) bool { return g.Rekey.Transport == "multicast" }) {
		unforeseen = append(unforeseen, "whether multicast can leave by the interfaces that the file names is not looked at")
	}
	return control.Reply{Text: p.Summary(), Plan: p, Unforeseen: strings.Join(unforeseen, "; ")}, nil
}

func (d *Daemon) dryRotate(ctx context.Context, r control.RotateRequest) (control.Reply, error) {
	if err := d.reloading.take(ctx); err != nil {
		return control.Reply{}, err
	}
	defer d.reloading.leave()
	kek, err := d.rotated(ctx, r.Group)
	if err != nil {
		return control.Reply{}, err
	}
	return translate.DryRun(ctx, d.loop, d.node, gdoi.CmdRotate{Group: r.Group, Key: kek.SignatureKey})
}
