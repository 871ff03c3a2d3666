package live

import (
	"encoding/json"
	"net/netip"
	"reflect"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// command is the event that an operator's request is for a machine; the verb is the name of the request.
func command(o *Order, id uint64) (machine.Event, error) {
	for _, route := range control.Routes() {
		if !route.Change || route.Name() != o.Verb {
			continue
		}
		request := reflect.New(reflect.TypeOf(route.Body))
		if len(o.Body) > 0 {
			if err := json.Unmarshal(o.Body, request.Interface()); err != nil {
				return nil, err
			}
		}
		if ev := translate.CommandOf(request.Elem().Interface(), id); ev != nil {
			return ev, nil
		}
	}
	return nil, refusef("the simulator does not know %q", o.Verb)
}

// excuse tells the Checker of removals that a key server has agreed to.
func (r *Run) excuse(o *Order) {
	var group string
	var names []string
	ev, _ := command(o, 0) // check has looked; nil of what is no command of a machine
	_, removed := ev.(gdoi.CmdRemoveMember)
	switch ev := ev.(type) {
	case gdoi.CmdRemoveMember:
		group, names = ev.Group, ev.Members
	case gdoi.CmdReadmit:
		group, names = ev.Group, []string{ev.Member}
	}
	for _, name := range names {
		a, err := netip.ParseAddr(name)
		for _, n := range r.s.Members() {
			if err == nil && n.Addr.Addr() == a {
				r.s.Excuse(n, group, removed)
			}
		}
	}
}
