package translate

import (
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// WindowParts is in how many parts operators see a replay window.
const WindowParts = 32

// Senders adds to each TEK whom it was heard from, and what is left of its sender ids.
func Senders(g *control.GroupMember, e engine.Stats, windows []engine.ReplayStats, now machine.Now) {
	for i := range g.Groups {
		for k := range g.Groups[i].TEKs {
			t := &g.Groups[i].TEKs[k]
			for _, sa := range e.SAs {
				if sa.Group == g.Groups[i].Name && gdoi.SPI(sa.SPI).String() == t.SPI {
					t.PacketsLeft, t.SenderCount = sa.Remaining, sa.Senders
				}
			}
			for _, w := range windows {
				if w.Group == g.Groups[i].Name && gdoi.SPI(w.SPI).String() == t.SPI {
					t.Senders = senderList(w.Senders, now)
				}
			}
		}
	}
}

func senderList(list []engine.SenderStats, now machine.Now) []control.Sender {
	out := make([]control.Sender, len(list))
	for i, s := range list {
		out[i] = control.Sender{
			SID: s.SID, Top: s.Top, Heard: now.WallAt(machine.Instant(s.Heard)).Round(100 * time.Millisecond), Window: s.Size, Missing: s.Missing, Picture: picture(s.Parts),
		}
		if !s.Known {
			out[i].Source = "unknown"
			if s.Source.IsValid() {
				out[i].Source = s.Source.String()
			}
		}
	}
	return out
}

// picture writes the parts of a window down.
func picture(eighths []int) string {
	out := make([]byte, len(eighths))
	for i, n := range eighths {
		if n < 0 {
			out[i] = '-'
			continue
		}
		out[i] = '0' + byte(n) //nolint:gosec // 0 to 8
	}
	return string(out)
}
