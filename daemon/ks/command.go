package ks

import (
	"context"
	"fmt"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// event is a request as the machine takes it, to be done or foreseen. Those that are more than a command of the machine's are
// not among them: rotate, apply.
func event(request any, id uint64) machine.Event {
	switch r := request.(type) {
	case control.RekeyRequest:
		return gdoi.CmdRekey{Group: r.Group, KEK: r.KEK, ID: id}
	case control.ClearMemberRequest:
		return gdoi.CmdClearMember{Group: r.Group, Member: r.Member, ID: id}
	case control.ClearMembersRequest:
		return gdoi.CmdClearMembers{Group: r.Group, Now: r.Now, ID: id}
	case control.RemoveMemberRequest:
		return gdoi.CmdRemoveMember{Group: r.Group, Members: r.Members, Now: r.Now, ID: id}
	case control.ReadmitRequest:
		return gdoi.CmdReadmit{Group: r.Group, Member: r.Member, ID: id}
	case control.HandoverRequest:
		return gdoi.CmdHandover{Group: r.Group, To: r.To, ID: id}
	case control.StopRequest:
		return gdoi.CmdStop{ID: id}
	}
	return nil
}

// command makes the handler of a request that is a command of the machine's.
func command[T any](d *Daemon) func(context.Context, T) (string, error) {
	return func(ctx context.Context, r T) (string, error) {
		return translate.Command(ctx, d.loop, func(id uint64) machine.Event { return event(r, id) })
	}
}

// dryRun says what a change would do, and does not do it. The dry run of apply is a plan, which is refused if apply would be.
func (d *Daemon) dryRun(ctx context.Context, request any) (control.Reply, error) {
	switch r := request.(type) {
	case control.PlanRequest:
		return d.dryApply(ctx, r)
	case control.RotateRequest:
		return d.dryRotate(ctx, r)
	}
	ev := event(request, 0)
	if ev == nil {
		return control.Reply{}, fmt.Errorf("%T cannot be foreseen; nothing was done", request)
	}
	return translate.DryRun(ctx, d.loop, d.node, ev)
}

func (d *Daemon) dryApply(ctx context.Context, r control.PlanRequest) (control.Reply, error) {
	p, err := d.plan(ctx, r)
	if err != nil {
		return control.Reply{}, err
	}
	if why := p.Refused(); why != "" {
		return control.Reply{}, control.Refused(why)
	}
	reply := control.Reply{Text: p.Summary(), Plan: p}
	if p.Changes() {
		reply.Unforeseen = "keys that the file names and the key custody does not have must be made there first"
	}
	return reply, nil
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
