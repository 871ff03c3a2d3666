package translate

import (
	"context"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/loop"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
)

// DryRun says what a command would do, or refuses it as the command would be refused now.
func DryRun(ctx context.Context, l *loop.Loop, n interface {
	Foresee(now machine.Now, ev machine.Event) (node.Foresight, error)
}, ev machine.Event) (control.Reply, error) {
	var f node.Foresight
	var refused error
	if err := l.Do(ctx, func(now machine.Now) { f, refused = n.Foresee(now, ev) }); err != nil {
		return control.Reply{}, err
	}
	if refused != nil {
		return control.Reply{}, control.Refused(refused.Error())
	}
	return control.Reply{Text: f.Text, Unforeseen: f.Unforeseen}, nil
}
