package gm

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/loop"
	"github.com/getvpn/getvpn/daemon/process"
)

// TestLocalAddressGoes: it is said once when it goes, and once when it is back.
func TestLocalAddressGoes(t *testing.T) {
	var journal control.Journal
	d := &Daemon{cfg: &config.GM{}, clock: loop.NewSystemClock()}
	d.sink = process.Sink{Node: "gm1", Log: slog.New(slog.DiscardHandler), Journal: &journal}
	want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:848"), netip.MustParseAddrPort("[2001:db8::1]:848"), netip.MustParseAddrPort("127.0.1.7:848")}
	nets := func(list ...string) (out []net.Addr) {
		for _, s := range list {
			ip, n, err := net.ParseCIDR(s)
			if err != nil {
				t.Fatal(err)
			}
			n.IP = ip
			out = append(out, n)
		}
		return out
	}
	all := nets("127.0.0.1/8", "192.0.2.1/24", "2001:db8::1/64")
	for i, row := range []struct {
		have   []net.Addr
		gone   []string
		events int
	}{
		{all, nil, 0},
		{nets("127.0.0.1/8", "192.0.2.2/24", "2001:db8::1/64"), []string{"192.0.2.1"}, 1},
		{nets("127.0.0.1/8", "192.0.2.2/24", "2001:db8::1/64"), []string{"192.0.2.1"}, 1},
		{nets("127.0.0.1/8"), []string{"192.0.2.1", "2001:db8::1"}, 2},
		{all, nil, 3},
		{all, nil, 3},
	} {
		gone := missing(want, row.have)
		d.addresses.tell(d, gone)
		if n := len(journal.Since(0, 100)); !slices.Equal(gone, row.gone) || n != row.events {
			t.Errorf("%d: missing %v, %d events", i, gone, n)
		}
	}
	if d.addresses.text() != "" {
		t.Error(d.addresses.text())
	}
}
