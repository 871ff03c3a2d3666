package gm

import (
	"errors"
	"fmt"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/netcfg"
	"github.com/getvpn/getvpn/esp/pipeline"
	"github.com/getvpn/getvpn/esp/tun"
	"github.com/getvpn/getvpn/esp/wire"
)

// Path is the two ends of the data path.
type Path struct {
	LAN tun.Device
	WAN wire.Conn
	// Errors hears what routers say about our packets.
	Errors pipeline.Errors
	Name   string // shown as the backend: LAN side, WAN side
	// Notes say why a side is not the fastest there is, one sentence each.
	Notes []string
}

// Close closes what is open.
func (p *Path) Close() error {
	err := errors.Join(p.LAN.Close(), p.WAN.Close())
	if p.Errors != nil {
		err = errors.Join(err, p.Errors.Close())
	}
	return err
}

// openPath opens the fastest data path that this system has, or the one that the configuration names.
func openPath(c *config.GM) (*Path, error) {
	if d := c.Interfaces.DataPath; d == config.DataPathXDP || d == config.DataPathPacket {
		return nil, fmt.Errorf("data-path: %s is not in this version; use auto, raw or water", d)
	}
	p := &Path{}
	var err error
	if p.LAN, p.Name, err = openLAN(c, &p.Notes); err != nil {
		return nil, err
	}
	if p.WAN, err = wire.OpenRaw(wire.Config{Device: c.Interfaces.WAN, Mark: netcfg.DefaultMark}); err != nil {
		return nil, errors.Join(err, p.LAN.Close())
	}
	p.Name += ", raw sockets"
	routers, err := wire.OpenErrors(c.Interfaces.WAN, netcfg.DefaultMark)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.Errors = routers
	return p, nil
}

// Names of the LAN side.
const (
	nameVnet  = "tun (vnet_hdr)"
	nameWater = "tun (water)"
)

// openLAN opens the TUN: with super-packets, where the kernel has them and the configuration does not say otherwise.
func openLAN(c *config.GM, notes *[]string) (tun.Device, string, error) {
	if c.Interfaces.DataPath != config.DataPathWater {
		v, err := tun.OpenVnet(c.Interfaces.TUN, 1)
		switch {
		case err == nil:
			if missing := v[0].Missing(); missing != "" {
				*notes = append(*notes, "the TUN has no super-packets of "+missing+": this kernel is too old for them")
			}
			return v[0], nameVnet, nil
		case !errors.Is(err, tun.ErrNoVnet):
			return nil, "", err
		}
		*notes = append(*notes, "the TUN takes and gives one packet a system call: "+err.Error())
	}
	w, err := tun.OpenWater(c.Interfaces.TUN)
	return w, nameWater, err
}

// backendName is what openPath would open, without opening it, and why not more.
func backendName(c *config.GM) (name string, notes []string) {
	name = nameWater
	if c.Interfaces.DataPath != config.DataPathWater {
		if err := tun.HasVnet(); err != nil {
			notes = append(notes, err.Error())
		} else {
			name = nameVnet
		}
	}
	return name + ", raw sockets", notes
}
