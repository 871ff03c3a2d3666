package gm

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// addressInterval is how often the member looks for its own addresses.
const addressInterval = time.Second

// addresses watches whether the addresses that key servers know the member by are those of this machine. The data path does
// not need them: its packets carry the hosts' own. Without them the keys end in time, and nothing new comes.
type addresses struct{ missing atomic.Pointer[string] }

// watch looks until ctx ends.
func (a *addresses) watch(ctx context.Context, d *Daemon) {
	tick := time.NewTicker(addressInterval)
	defer tick.Stop()
	for {
		have, err := net.InterfaceAddrs()
		if err == nil {
			a.tell(d, missing(d.cfg.Local, have))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tell notes a change.
func (a *addresses) tell(d *Daemon, gone []string) {
	text, was := strings.Join(gone, ", "), a.text()
	if text == was {
		return
	}
	a.missing.Store(&text)
	n := machine.Note{Name: noteAddress, Severity: machine.Info, Text: "the local address is there again: " + was}
	if text != "" {
		n.Severity = machine.Error
		n.Text = text + " is not an address of this machine any more: key servers cannot reach this member, whose keys end in time; traffic goes on until then"
	}
	d.sink.Note(d.clock.Now(), n)
}

// text is what is missing now.
func (a *addresses) text() string {
	if p := a.missing.Load(); p != nil {
		return *p
	}
	return ""
}

// missing lists those of want that are not among have. All of a loopback prefix is local.
func missing(want []netip.AddrPort, have []net.Addr) (out []string) {
	for _, w := range want {
		if !slices.ContainsFunc(have, func(a net.Addr) bool {
			n, ok := a.(*net.IPNet)
			if !ok {
				return false
			}
			ip := net.IP(w.Addr().AsSlice())
			return n.IP.Equal(ip) || n.IP.IsLoopback() && n.Contains(ip)
		}) {
			out = append(out, w.Addr().String())
		}
	}
	return out
}
