package translate

import (
	"slices"
	"strings"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// What the journal says of a configuration file that is read again, by a daemon or by a simulated one.

// Kept is what follows the reason why a file was refused.
const Kept = "\nthe old configuration stays in force"

// NoteRefused says that a file was refused, and why.
func NoteRefused(why string) machine.Note {
	return machine.Note{Name: gdoi.NoteConfigRefused, Severity: machine.Error, Text: why + Kept}
}

// NotesPlanned says what a file of a key server would change, for each group.
func NotesPlanned(p *control.Plan) (out []machine.Note) {
	for i := range p.Groups {
		g := &p.Groups[i]
		out = append(out, machine.Note{
			Name: gdoi.NotePolicyPlanned, Severity: machine.Info, Group: g.Group, Text: strings.Join(append(slices.Clone(g.Consequences), g.Refused), "; "),
			Fields: []machine.Field{machine.F("was", g.Was), machine.F("digest", g.Is)},
		})
	}
	return out
}

// NotesApplied says what is to be known after a key server has taken its file: warnings that are new, and what takes a restart.
func NotesApplied(known, warnings []string, p *control.Plan) (out []machine.Note) {
	for _, w := range warnings {
		if !slices.Contains(known, w) {
			out = append(out, machine.Note{Name: gdoi.NoteConfigWarning, Severity: machine.Warning, Text: w})
		}
	}
	for _, w := range p.Restart {
		out = append(out, machine.Note{Name: gdoi.NoteNeedsRestart, Severity: machine.Warning, Text: "needs a restart: " + w})
	}
	return out
}

// NoteMember says what of a member's file, that is one now and has been was, only a restart would change; false: nothing.
func NoteMember(was, is *config.GM) (machine.Note, bool) {
	fresh, gone := config.Differences(was.Effective(), is.Effective())
	var parts []string
	for _, l := range fresh {
		parts = append(parts, "+ "+l)
	}
	for _, l := range gone {
		parts = append(parts, "- "+l)
	}
	return machine.Note{
		Name: gdoi.NoteNeedsRestart, Severity: machine.Warning,
		Text: "a member's configuration does not change while it runs; restart it to apply: " + strings.Join(parts, "  "),
	}, len(parts) > 0
}
