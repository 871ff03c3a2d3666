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
	LAN []tun.Device // a queue for each worker
	WAN []wire.Conn
	// Errors hears what routers say about our packets.
	Errors pipeline.Errors
	Name   string // shown as the backend: LAN side, WAN side
	// Notes say why a side is not the fastest there is, one sentence each.
	Notes []string
}

// Close closes what is open.
func (p *Path) Close() error {
	var err error
	for _, d := range p.LAN {
		err = errors.Join(err, d.Close())
	}
	for _, c := range p.WAN {
		err = errors.Join(err, c.Close())
	}
	if p.Errors != nil {
		err = errors.Join(err, p.Errors.Close())
	}
	return err
}

// Names of the LAN side.
const (
	nameVnet  = "tun (vnet_hdr)"
	nameWater = "tun (water)"
)

// openPath opens the fastest data path that this system has, or the one that the configuration names.
func openPath(c *config.GM) (*Path, error) {
	p := &Path{}
	lan := nameWater
	if c.Interfaces.DataPath != config.DataPathWater {
		if err := tun.HasVnet(); err == nil {
			lan = nameVnet
		} else if !errors.Is(err, tun.ErrNoVnet) {
			return nil, err
		} else {
			p.Notes = append(p.Notes, "the TUN takes and gives one packet a system call: "+err.Error())
		}
	}
	want := workers(c)
	if lan == nameWater && want > 1 {
		p.Notes = append(p.Notes, fmt.Sprintf("one worker instead of %d: the portable TUN has one queue", want))
		want = 1
	}
	wan, err := wire.Open(wireConfig(c, want))
	if err != nil {
		return nil, refusal(c, err)
	}
	p.WAN = wan.Conns
	p.Notes = append(p.Notes, wan.Refused...)
	if len(wan.Conns) < want {
		p.Notes = append(p.Notes, fmt.Sprintf("%d workers instead of %d: %s has no more receive queues (ethtool -L)", len(wan.Conns), want, c.Interfaces.WAN))
	}
	if err := p.openLAN(c, lan); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if p.Errors, err = wire.OpenErrors(c.Interfaces.WAN, netcfg.DefaultMark); err != nil {
		p.Errors = nil
		return nil, errors.Join(err, p.Close())
	}
	p.Name = pathName(lan, wan.Name, len(p.LAN))
	return p, nil
}

// openLAN opens as many queues of the TUN as the WAN has.
func (p *Path) openLAN(c *config.GM, name string) error {
	if name == nameWater {
		w, err := tun.OpenWater(c.Interfaces.TUN)
		if err != nil {
			return err
		}
		p.LAN = []tun.Device{w}
		return nil
	}
	queues, err := tun.OpenVnet(c.Interfaces.TUN, len(p.WAN))
	if err != nil {
		return err
	}
	for _, q := range queues {
		p.LAN = append(p.LAN, q)
	}
	if missing := queues[0].Missing(); missing != "" {
		p.Notes = append(p.Notes, "the TUN has no super-packets of "+missing+": this kernel is too old for them")
	}
	if err := queues[0].Unsteered(); err != nil {
		p.Notes = append(p.Notes, "a flow that changes queues may lose its order for a moment: "+err.Error())
	}
	return nil
}

func wireConfig(c *config.GM, queues int) wire.Config {
	mode := wire.Mode(c.Interfaces.DataPath)
	if c.Interfaces.DataPath == config.DataPathWater {
		mode = wire.Raw
	}
	return wire.Config{Device: c.Interfaces.WAN, Mark: netcfg.DefaultMark, Mode: mode, Queues: queues}
}

// workers is how many pairs of goroutines move packets. A pair keeps two cores busy. More are made only when asked for: they
// draw from one counter, so receivers need a replay window for what one may be behind another.
func workers(c *config.GM) int { return max(1, c.Interfaces.Workers) }

// refusal says what to do about a data path that the configuration forces and this system does not have.
func refusal(c *config.GM, err error) error {
	if c.Interfaces.DataPath == config.DataPathAuto {
		return err
	}
	return fmt.Errorf("interfaces.data-path: %s is not possible here: %w; 'data-path: auto' takes the fastest that is", c.Interfaces.DataPath, err)
}

func pathName(lan, wan string, workers int) string {
	if workers > 1 {
		return fmt.Sprintf("%s, %s, %d workers", lan, wan, workers)
	}
	return lan + ", " + wan
}
