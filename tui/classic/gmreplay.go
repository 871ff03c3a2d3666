package classic

import (
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// ReplayBlock is time-based anti-replay of a group on a member. Times are seconds.
type ReplayBlock struct {
	Group      string               `json:"group"`
	Enabled    bool                 `json:"time_based_replay"`
	Value      float64              `json:"replay_value"` // the group's time here
	Window     float64              `json:"window"`
	In         uint64               `json:"input_packets"`
	Out        uint64               `json:"output_packets"`
	InErrors   uint64               `json:"input_error_packets"`
	OutErrors  uint64               `json:"output_error_packets"`
	SyncErrors uint64               `json:"time_sync_error"`
	MaxDelta   float64              `json:"max_time_delta"`
	History    []control.LatePacket `json:"tbar_error_history"`
	At         time.Time            `json:"at"`
}

type replayBlocks []ReplayBlock

func gmReplay(s *control.Snapshot, q Query) Answer {
	return replayBlocks(eachGM(s, q, func(g *control.GMGroup) ReplayBlock {
		a := &g.AntiReplay
		return ReplayBlock{
			Group: g.Name, Enabled: a.On, Value: a.Pseudotime, Window: a.Value, In: a.InPackets, Out: a.OutPackets, InErrors: a.InErrors + a.Unstamped,
			SyncErrors: a.SyncErrors, MaxDelta: a.MaxDelta, History: append([]control.LatePacket{}, a.History...), At: s.Time,
		}
	}))
}

func (all replayBlocks) print(p *page) {
	for i, b := range all {
		if i > 0 {
			p.blank()
		}
		p.line(0, "Anti-replay Information For Group %s:", b.Group)
		p.line(2, "Timebased Replay:")
		if !b.Enabled {
			p.line(4, "is not enabled")
			continue
		}
		p.line(4, "Replay Value : %.2f secs", b.Value)
		p.line(4, "Input Packets : %-12d Output Packets : %d", b.In, b.Out)
		p.line(4, "Input Error Packets : %-6d Output Error Packets : %d", b.InErrors, b.OutErrors)
		p.line(4, "Time Sync Error : %-10d Max time delta : %.2f secs", b.SyncErrors, b.MaxDelta)
		p.blank()
		p.line(2, "TBAR Error History (sampled at 10pak/min):")
		if len(b.History) == 0 {
			p.line(4, "No TBAR errors detected")
		}
		for _, l := range b.History {
			p.line(4, "src=%s; spi=0x%s; my_pseudotime=%.2f peer_pseudotime=%.2f window=%.2f secs", l.Source, l.SPI, l.Mine, l.Peer, l.Window)
		}
	}
}
