package gm

import (
	"context"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/translate"
)

// Reconfigure implements process.Reconfigurer. Nothing of a member's own configuration changes while it runs, local
// exceptions and mode included: they are part of the guard in the kernel, which must not have a gap. So the file is
// checked, and what only a restart would change is said in the journal. The group's policy comes from the key server.
func (d *Daemon) Reconfigure(context.Context) {
	c, err := config.LoadGM(d.cfg.File)
	if err == nil {
		err = Check(c)
	}
	if err != nil {
		d.sink.Note(d.clock.Now(), translate.NoteRefused(err.Error()))
		return
	}
	note, ok := translate.NoteMember(d.cfg, c)
	if !ok {
		d.log.Info("the configuration file is valid and says what is in force")
		return
	}
	d.sink.Note(d.clock.Now(), note)
}
