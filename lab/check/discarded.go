package check

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/getvpn/getvpn/daemon/control"
)

// discarded is what members have dropped, by their names: how often for each reason.
type discarded map[string][]control.Counter

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
			mu.Lock()
			defer mu.Unlock()
			out[m] = snap.GM.DataPath.Drops
		}
	}
	e.clock().together(ctx, ask)
	return out
}

// since says what was dropped after an earlier look.
func (d discarded) since(before discarded) string {
	var parts []string
	for _, m := range sortedKeys(d) {
		for _, g := range gains(before[m], d[m]) {
			parts = append(parts, fmt.Sprintf("%s %s %d", m, g.Name, g.Count))
		}
	}
	return strings.Join(parts, ", ")
}
