package gm

import (
	"context"
	"time"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/gdoi"
)

const (
	probeInterval = time.Second
	// unknownRuns is for how many probes in a row packets under unknown SPIs must arrive before the machine is told: a
	// rollover causes a few, and so does anybody who sends nonsense now and then.
	unknownRuns = 3
	// seqReserve is the share of an SA's counter space at which new sender ids are asked for: one tenth.
	seqReserve = 10
)

// probe watches the counters of the data path and tells the machine what concerns it.
type probe struct {
	full map[uint32]uint64 // the largest Remaining seen under an SPI
	told map[uint32]bool
	runs map[string]int // probes in a row that found strays, by group
}

// look compares counters with those of the last look.
func (p *probe) look(s engine.Stats, strays []engine.Stray) (reports []gdoi.DataPlaneReport) {
	full, told := map[uint32]uint64{}, map[uint32]bool{}
	for _, sa := range s.SAs {
		full[sa.SPI] = max(p.full[sa.SPI], sa.Remaining)
		told[sa.SPI] = p.told[sa.SPI] && sa.Remaining < full[sa.SPI]/seqReserve
		if sa.Sending && sa.Remaining < full[sa.SPI]/seqReserve && !told[sa.SPI] {
			told[sa.SPI] = true
			reports = append(reports, gdoi.DataPlaneReport{Group: sa.Group, SPI: gdoi.SPI(sa.SPI), Kind: gdoi.SeqLow})
		}
	}
	p.full, p.told = full, told
	return append(reports, p.lost(strays)...)
}

// lost reports SPIs that packets between addresses of a group keep coming under. The machine knows which of them it had
// before, and how often such a report is worth a registration.
func (p *probe) lost(strays []engine.Stray) (reports []gdoi.DataPlaneReport) {
	runs := map[string]int{}
	for _, s := range strays {
		for _, g := range s.Groups {
			runs[g] = p.runs[g] + 1
		}
	}
	for _, s := range strays {
		for _, g := range s.Groups {
			if runs[g] == unknownRuns {
				reports = append(reports, gdoi.DataPlaneReport{Group: g, SPI: gdoi.SPI(s.SPI), Kind: gdoi.UnknownSPI})
			}
		}
	}
	for g, n := range runs {
		if n == unknownRuns {
			runs[g] = 0
		}
	}
	p.runs = runs
	return reports
}

// watchDataPath runs the probe until ctx ends.
func (d *Daemon) watchDataPath(ctx context.Context) {
	var p probe
	times := newTimeProbe()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		notes, reports := times.look(d.engine.TimeStats(engine.Instant(d.clock.Now().Mono)))
		for _, n := range notes {
			d.sink.Note(d.clock.Now(), n)
		}
		for _, r := range append(reports, p.look(d.engine.Stats(), d.engine.Strays())...) {
			if d.loop.Post(ctx, r) != nil {
				return
			}
		}
	}
}
