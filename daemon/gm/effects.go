package gm

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/getvpn/getvpn/daemon/netcfg"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// Journal events of the daemon itself.
const (
	noteDataPath = "data-path-failed" // an effect could not be carried out
	noteSlower   = "data-path-slower" // not the fastest data path, and why
	notePathDown = "data-path-down"   // an end of it failed, or its interface vanished
	notePathUp   = "data-path-up"     // again
	noteAddress  = "local-address"    // it went, or came back
	noteKernel   = "kernel-failed"    // rules, routes or guard could not be set
	noteRepaired = "kernel-repaired"  // somebody else had changed them
)

// effect carries out what the machine wants of the data path. Called on the loop's goroutine.
func (d *Daemon) effect(now machine.Now, e machine.Effect) {
	var err error
	switch e := e.(type) {
	case gdoi.InstallSA:
		err = d.install(now, e)
	case gdoi.ActivateSA:
		err = d.engine.Activate(e.Group, e.Class, uint32(e.SPI))
	case gdoi.RetireSA:
		err = d.engine.Retire(e.Group, uint32(e.SPI))
		d.fitMTU()
	case gdoi.SetTime:
		err = d.setTime(e)
	case gdoi.SetPolicy:
		err = d.setPolicy(e)
	case gdoi.JoinMulticast:
		err = d.conn.Join(e.Address, d.cfg.Interfaces.WAN)
	case gdoi.LeaveMulticast:
		err = d.conn.Leave(e.Address)
	}
	if err != nil {
		d.sink.Note(now, machine.Note{
			Name: noteDataPath, Severity: machine.Error,
			Text: fmt.Sprintf("the data path refused %T: %v", e, err),
		})
	}
}

func (d *Daemon) install(now machine.Now, e gdoi.InstallSA) error {
	defer e.TEK.Key.Destroy()
	defer d.fitMTU()
	s, err := espSuite(e.TEK.Suite)
	if err != nil {
		return err
	}
	bits, sids := senderIDs(e)
	if err := d.engine.Install(engine.SA{
		Group: e.Group, SPI: uint32(e.TEK.SPI), Suite: s, KeyMat: e.TEK.Key.Bytes(), SIDBits: bits, SIDs: sids,
		Expires: engine.Instant(now.MonoAt(e.TEK.Expires)), Selectors: selectors(e.Selectors),
	}); err != nil {
		return err
	}
	if e.Send {
		return d.engine.Activate(e.Group, e.Class, uint32(e.TEK.SPI))
	}
	return nil
}

// anonymousBits is the width of a sender id that a member draws for itself.
const anonymousBits = 32

// senderIDs are those to send with. Other suites than counter modes do without those of a key server, but receivers tell
// senders apart by them, so the member draws one: with the top bit, which ids of narrower groups do not have.
func senderIDs(e gdoi.InstallSA) (bits uint8, sids []uint32) {
	for _, s := range e.SIDs {
		sids = append(sids, uint32(s))
	}
	if len(sids) > 0 || e.TEK.Suite.Counter() {
		return uint8(e.SIDBits), sids
	}
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return anonymousBits, []uint32{binary.BigEndian.Uint32(b[:]) | 1<<31}
}

// fitMTU gives the TUN the MTU that the installed suites leave, if that has changed.
func (d *Daemon) fitMTU() {
	if inner := [2]int{d.engine.InnerMTU(), d.engine.InnerMTU6()}; inner != d.inner {
		d.inner = inner
		d.kernel.touch()
	}
}

// setPolicy: the effect's list begins with the local exceptions, which engine and kernel know from the configuration.
func (d *Daemon) setPolicy(e gdoi.SetPolicy) error {
	var local int
	for i := range d.cfg.Groups {
		if d.cfg.Groups[i].Name == e.Group {
			local = len(d.cfg.Groups[i].Clear)
		}
	}
	group := append(policy.List(nil), e.Policy[min(local, len(e.Policy)):]...)
	var classes []int
	if e.Classes != nil {
		classes = e.Classes[min(local, len(e.Classes)):]
	}
	return d.kernel.set(e.Group, func(g *netcfg.Group) {
		g.Rules, g.Also, g.Registered = group, e.Also, e.Registered
		setMode(g, e.Mode)
	}, func() error {
		return d.engine.SetPolicy(e.Group, engine.Policy{
			Rules: rules(group), Classes: classes, ReceiveOnly: e.Mode == gdoi.ModeReceiveOnly, Registered: e.Registered,
		})
	})
}
