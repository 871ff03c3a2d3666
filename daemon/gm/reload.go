package gm

import (
	"context"
	"strings"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
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
		d.sink.Note(d.clock.Now(), machine.Note{
			Name: gdoi.NoteConfigRefused, Severity: machine.Error, Text: err.Error() + "\nthe old configuration stays in force",
		})
		return
	}
	fresh, gone := config.Differences(d.cfg.Effective(), c.Effective())
	if len(fresh)+len(gone) == 0 {
		d.log.Info("the configuration file is valid and says what is in force")
		return
	}
	d.sink.Note(d.clock.Now(), machine.Note{Name: gdoi.NoteNeedsRestart, Severity: machine.Warning, Text: restartText(fresh, gone)})
}

func restartText(fresh, gone []string) string {
	var parts []string
	for _, l := range fresh {
		parts = append(parts, "+ "+l)
	}
	for _, l := range gone {
		parts = append(parts, "- "+l)
	}
	return "a member's configuration does not change while it runs; restart it to apply: " + strings.Join(parts, "  ")
}
