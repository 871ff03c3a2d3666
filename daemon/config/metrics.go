package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// metrics is where they are read: an address and a port, or the path of a unix socket.
func (d *decoder) metrics(m *Metrics) func(*value) {
	return func(v *value) {
		if v.kind == scalar && strings.Contains(v.text, "/") {
			d.path(&m.Socket)(v)
			return
		}
		word(d, &m.Address, func(s string) (netip.AddrPort, error) {
			ap, err := netip.ParseAddrPort(s)
			if err != nil || ap.Port() == 0 {
				return netip.AddrPort{}, fmt.Errorf(`%q is not where metrics can be served; write "127.0.0.1:9464" or "[::1]:9464" (in quotes), or the path of a unix socket, /run/getvpn/metrics.sock`, s)
			}
			return ap, nil
		})(v)
		if a := m.Address.Addr(); a.IsValid() && !a.Unmap().IsLoopback() {
			who := "whoever reaches " + m.Address.String()
			if a.IsUnspecified() {
				who = "whoever reaches any address of this machine"
			}
			d.warn(v, "metrics: %s reads names, addresses and counters of the group, without a password and in clear; listen on 127.0.0.1 or a unix socket, or keep others away by a firewall", who)
		}
	}
}

// String is the flow mapping of the file.
func (m *Metrics) String() string {
	if m.Socket != "" {
		return fmt.Sprintf("{listen: %s}", m.Socket)
	}
	return fmt.Sprintf("{listen: %q}", m.Address)
}
