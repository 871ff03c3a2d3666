package translate

import (
	"fmt"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// CommandOf is a request as the machine takes it, to be done or foreseen; nil for those that are more than a command of the machine's:
// rotate, apply.
func CommandOf(request any, id uint64) machine.Event {
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
	case control.ReregisterRequest:
		return gdoi.CmdReregister{Group: r.Group, ID: id}
	case control.StopRequest:
		return gdoi.CmdStop{ID: id}
	}
	return nil
}

// Foreseen is the event whose doing a dry run of a request looks at.
func Foreseen(request any) (machine.Event, error) {
	if ev := CommandOf(request, 0); ev != nil {
		return ev, nil
	}
	return nil, fmt.Errorf("%T cannot be foreseen; nothing was done", request)
}
