package gm

import (
	"path/filepath"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/netcfg"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/spd"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Check finds what is wrong with a configuration beyond what package config knows.
func Check(c *config.GM) error {
	if err := custody.Loadable(c.Custody); err != nil {
		return err
	}
	if _, err := translate.GroupMemberNode(c, c.Local); err != nil {
		return err
	}
	if _, err := engine.New(engineConfig(c)); err != nil {
		return err
	}
	_, err := netcfg.New(netConfig(c, func(wan int) int { return wan }))
	return err
}

func engineConfig(c *config.GM) engine.Config {
	out := engine.Config{MTU: c.Interfaces.MTU, MSS: mss(c.Groups), Fragmentation: fragmentation[c.Interfaces.Fragmentation], DF: dfBit[c.Interfaces.DFBit]}
	// Until the kernel's part has found better ones, see netcfg.Config.Own.
	for _, e := range c.Local {
		if a := e.Addr(); a.Is4() {
			out.Gateway = a
		} else {
			out.Gateway6 = a
		}
	}
	for i := range c.Groups {
		g := &c.Groups[i]
		out.Groups = append(out.Groups, engine.GroupConfig{
			Name: g.Name, FailOpen: g.FailOpen, Protect: g.Protect, Local: rules(g.Clear), ReplayWindow: g.ReplayWindow,
			ReceiveOnly: ownMode(g) == gdoi.ModeReceiveOnly,
		})
	}
	return out
}

var (
	fragmentation = map[string]engine.Fragmentation{
		config.FragmentBefore: engine.FragmentBefore, config.FragmentAfter: engine.FragmentAfter, config.FragmentNever: engine.FragmentNever,
	}
	dfBit = map[string]engine.DFBit{config.DFCopy: engine.DFCopy, config.DFClear: engine.DFClear, config.DFSet: engine.DFSet}
)

// mss is the strictest of all groups, because packets are clamped before their group is known.
func mss(groups []config.GMGroup) int {
	lowest, auto := 0, false
	for _, g := range groups {
		switch m := g.MSSClamp; {
		case m.Off:
		case m.Value == 0:
			auto = true
		case lowest == 0 || m.Value < lowest:
			lowest = m.Value
		}
	}
	if lowest == 0 && auto {
		return engine.MSSAuto
	}
	return lowest
}

func netConfig(c *config.GM, innerMTU func(int) int) netcfg.Config {
	return netcfg.Config{
		Name: c.Name, LAN: c.Interfaces.LAN, WAN: c.Interfaces.WAN, TUN: c.Interfaces.TUN,
		InnerMTU: innerMTU, KeepGuard: c.OnExit == "keep", Saved: filepath.Join(c.State, "sysctls.json"),
	}
}

// espSuite translates the suite of a TEK: both sides know it by the same name.
func espSuite(e suite.ESP) (esp.Suite, error) { return esp.ParseSuite(e.String()) }

// kernelGroups is what the kernel must know before the machine has said anything.
func kernelGroups(c *config.GM) []netcfg.Group {
	var out []netcfg.Group
	for i := range c.Groups {
		g := &c.Groups[i]
		k := netcfg.Group{Name: g.Name, FailOpen: g.FailOpen, Protect: g.Protect, Local: g.Clear}
		setMode(&k, ownMode(g))
		out = append(out, k)
	}
	return out
}

// ownMode is the operator's own mode, which holds before there is a policy; else the strictest.
func ownMode(g *config.GMGroup) gdoi.Mode {
	if g.Mode != nil {
		return *g.Mode
	}
	return gdoi.ModeFull
}

func setMode(k *netcfg.Group, m gdoi.Mode) {
	k.AcceptClear, k.SendClear = m != gdoi.ModeFull, m == gdoi.ModeReceiveOnly
}

// selectors translates those of an SA; nil stays nil.
func selectors(l policy.List) []spd.Rule {
	if l == nil {
		return nil
	}
	return rules(l)
}

// rules translates an access list for the data path, which knows nothing of gdoi.
func rules(l policy.List) []spd.Rule {
	out := make([]spd.Rule, len(l))
	for i, r := range l {
		out[i] = spd.Rule{
			Action: spd.Deny, Proto: r.Proto, Src: r.Src, Dst: r.Dst,
			SrcPorts: spd.Ports{Lo: r.SrcPorts.Lo, Hi: r.SrcPorts.Hi}, DstPorts: spd.Ports{Lo: r.DstPorts.Lo, Hi: r.DstPorts.Hi},
		}
		if r.Action == policy.Permit {
			out[i].Action = spd.Permit
		}
	}
	return out
}
