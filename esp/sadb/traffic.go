package sadb

import "maps"

// Traffic is what was counted for SAs.
type Traffic struct{ InPackets, InBytes, OutPackets, OutBytes uint64 }

func (t Traffic) plus(e *Entry) Traffic {
	return Traffic{t.InPackets + e.InPackets.Load(), t.InBytes + e.InBytes.Load(), t.OutPackets + e.OutPackets.Load(), t.OutBytes + e.OutBytes.Load()}
}

// Traffic is that of each group since the start, of SAs that are no more too.
func (db *DB) Traffic() map[int]Traffic {
	db.mu.Lock()
	defer db.unlock()
	out := maps.Clone(db.gone)
	for _, e := range db.view.Load().inbound {
		out[e.Group] = out[e.Group].plus(e)
	}
	for _, g := range db.limbo {
		out[g.entry.Group] = out[g.entry.Group].plus(g.entry)
	}
	return out
}
