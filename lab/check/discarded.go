package check

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// discarded is what members have dropped, by their names and reasons.
type discarded map[string]map[string]uint64

// discarded asks all members at once, so that it takes no longer than the slowest. Who does not answer is not in it.
func (e *Env) discarded(ctx context.Context, members []string) discarded {
	var mu sync.Mutex
	out := discarded{}
	ask := make([]func(), len(members))
	for i, m := range members {
		ask[i] = func() {
			snap, err := e.snapshot(ctx, m)
			if err != nil || snap.GM == nil {
				return
			}
			by := map[string]uint64{}
			for _, d := range snap.GM.DataPath.Drops {
				by[d.Name] = d.Count
			}
			mu.Lock()
			defer mu.Unlock()
			out[m] = by
		}
	}
	e.clock().together(ctx, ask)
	return out
}

// since says what was dropped after an earlier look. Counters of a daemon that was started in between begin anew.
func (d discarded) since(before discarded) string {
	var parts []string
	for _, m := range slices.Sorted(maps.Keys(d)) {
		for _, reason := range slices.Sorted(maps.Keys(d[m])) {
			n, was := d[m][reason], before[m][reason]
			if n >= was {
				n -= was
			}
			if n > 0 {
				parts = append(parts, fmt.Sprintf("%s %s %d", m, reason, n))
			}
		}
	}
	return strings.Join(parts, ", ")
}
