package ks

import (
	"context"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

func (d *Daemon) clearMembers(ctx context.Context, r control.ClearMembersRequest) (string, error) {
	return translate.Command(ctx, d.loop, func(id uint64) machine.Event {
		return gdoi.CmdClearMembers{Group: r.Group, Now: r.Now, ID: id}
	})
}

func (d *Daemon) removeMember(ctx context.Context, r control.RemoveMemberRequest) (string, error) {
	return translate.Command(ctx, d.loop, func(id uint64) machine.Event {
		return gdoi.CmdRemoveMember{Group: r.Group, Members: r.Members, Now: r.Now, ID: id}
	})
}

func (d *Daemon) readmit(ctx context.Context, r control.ReadmitRequest) (string, error) {
	return translate.Command(ctx, d.loop, func(id uint64) machine.Event {
		return gdoi.CmdReadmit{Group: r.Group, Member: r.Member, ID: id}
	})
}

func (d *Daemon) handover(ctx context.Context, r control.HandoverRequest) (string, error) {
	return translate.Command(ctx, d.loop, func(id uint64) machine.Event {
		return gdoi.CmdHandover{Group: r.Group, To: r.To, ID: id}
	})
}
