package gm

import (
	"fmt"
	"time"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/replay"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// setTime gives the data path the group's time.
func (d *Daemon) setTime(e gdoi.SetTime) error {
	defer d.fitMTU()
	if !e.On {
		return d.engine.SetTime(e.Group, nil, nil)
	}
	var demand []uint32
	for _, s := range e.Demand {
		demand = append(demand, uint32(s))
	}
	return d.engine.SetTime(e.Group, &replay.Time{At: int64(e.At), Base: e.Time, Drift: e.Drift, Window: e.Window}, demand)
}

// timeProbe watches the time windows of the data path.
type timeProbe struct {
	noted map[string]engine.Instant // of the last drop that is in the journal, by group
	last  map[string]engine.TimeStats
	runs  map[string]int
}

func newTimeProbe() *timeProbe {
	return &timeProbe{map[string]engine.Instant{}, map[string]engine.TimeStats{}, map[string]int{}}
}

// look returns what the journal and the machine should hear of: the drops that the engine has kept, which are few, and that
// for some probes in a row everything was dropped for its time.
func (p *timeProbe) look(stats []engine.TimeStats) (notes []machine.Note, reports []gdoi.DataPlaneReport) {
	for _, s := range stats {
		last := p.noted[s.Group]
		for _, l := range s.Recent {
			if l.At > last {
				notes = append(notes, lateNote(s.Group, l))
				p.noted[s.Group] = l.At
			}
		}
		was := p.last[s.Group]
		p.last[s.Group] = s
		if s.Stale == was.Stale || s.In > was.In {
			p.runs[s.Group] = 0
			continue
		}
		if p.runs[s.Group]++; p.runs[s.Group] >= unknownRuns {
			p.runs[s.Group] = 0
			reports = append(reports, gdoi.DataPlaneReport{Group: s.Group, Kind: gdoi.OutOfTime})
		}
	}
	return notes, reports
}

func lateNote(group string, l engine.LatePacket) machine.Note {
	peer := l.Mine - l.Age
	text := fmt.Sprintf("a packet from %v was dropped: its stamp is %v old, the window is %v", l.Source, l.Age, l.Window)
	if l.Age < 0 {
		text = fmt.Sprintf("a packet from %v was dropped: its stamp is %v ahead, the window is %v", l.Source, -l.Age, l.Window)
	}
	if l.Age >= 0 && l.Age <= l.Window {
		text = fmt.Sprintf("a packet from %v was dropped: its stamp is from before this member had the key, %v ago", l.Source, l.Age)
	}
	return machine.Note{
		Name: gdoi.NoteTimeReplay, Severity: machine.Warning, Group: group, Peer: l.Source.String(), Reason: engine.TimeReplay.String(), Text: text,
		Fields: []machine.Field{machine.F("source", l.Source.String()), machine.F("spi", gdoi.SPI(l.SPI).String()), machine.F("my_pseudotime", seconds(l.Mine)),
			machine.F("peer_pseudotime", seconds(peer)), machine.F("window", seconds(l.Window))},
	}
}

func seconds(t time.Duration) string { return fmt.Sprintf("%.3f", t.Seconds()) }
