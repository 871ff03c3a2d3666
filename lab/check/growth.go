package check

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// growth watches what daemons need of the machine.
type growth struct {
	nodes  []string
	at     []time.Duration
	series map[string]map[string][]float64 // by node, then by measure
}

// measures of a process, with what it may grow between the first half of the time and the second, in units and as a share.
// The collector lets the heap double before it runs, so a process may hold as much again as it uses; a leak of a few octets
// a packet would be gigabytes.
var measures = []struct {
	name, unit string
	scale      float64
	units      float64
	share      float64
}{
	{"resident", "MB", 1 << 20, 6, 0.15},
	{"heap", "MB", 1 << 20, 2, 0.15},
	{"goroutines", "", 1, 2, 0},
	{"files", "", 1, 2, 0},
}

func newGrowth(nodes []string) *growth {
	g := &growth{nodes: nodes, series: map[string]map[string][]float64{}}
	for _, n := range nodes {
		g.series[n] = map[string][]float64{}
	}
	return g
}

func (g *growth) sample(ctx context.Context, env *Env, now time.Duration) error {
	g.at = append(g.at, now)
	for _, n := range g.nodes {
		pid, err := env.Lab.PID(n)
		if err != nil {
			return err
		}
		if pid == 0 {
			return fmt.Errorf("the daemon of %s has ended", n)
		}
		s, err := env.snapshot(ctx, n)
		if err != nil {
			return fmt.Errorf("%s: %w", n, err)
		}
		rss, err := resident(pid)
		if err != nil {
			return err
		}
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return err
		}
		for i, v := range []float64{rss, float64(s.Process.HeapLive), float64(s.Process.Goroutines), float64(len(files))} {
			m := measures[i]
			g.series[n][m.name] = append(g.series[n][m.name], v/m.scale)
		}
	}
	return nil
}

// resident is the memory, in octets, that a process has in the machine's (proc_pid_statm(5)).
func resident(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm: unexpected form", pid)
	}
	pages, err := strconv.ParseFloat(string(f[1]), 64)
	return pages * float64(os.Getpagesize()), err
}

// now is the newest sample, as text.
func (g *growth) now() string {
	var out []string
	for _, n := range g.nodes {
		s := g.series[n]
		i := len(s["heap"]) - 1
		out = append(out, fmt.Sprintf("%s %.1f MB (heap %.1f)", n, s["resident"][i], s["heap"][i]))
	}
	return strings.Join(out, ", ")
}

// results judges each daemon: the first quarter of the samples, in which a process finds its size, does not count.
func (g *growth) results() (out []scenario.Result) {
	at := g.at[len(g.at)/4:]
	for _, n := range g.nodes {
		r := scenario.Result{Name: soakMemory + n, OK: len(at) >= 4, Want: "no growth"}
		grows := []string{}
		var parts []string
		for _, m := range measures {
			if !r.OK {
				r.Message = "too few samples"
				break
			}
			v := g.series[n][m.name][len(g.at)/4:]
			half := len(v) / 2
			first, second := middle(v[:half]), middle(v[half:])
			grew := second - first
			allowed := max(m.units, m.share*first)
			if m.name == "resident" {
				allowed = max(allowed, middle(g.series[n]["heap"]))
			}
			bad := grew > allowed
			parts = append(parts, fmt.Sprintf("%s %.1f to %.1f %s (%.1f to %.1f, slope %+.2f/h)", m.name, first, second, m.unit, slices.Min(v), slices.Max(v), slope(at, v)))
			if bad {
				grows = append(grows, fmt.Sprintf("%s grows by %.1f %s", m.name, grew, m.unit))
			}
		}
		if len(grows) > 0 {
			r.OK, r.Message = false, strings.Join(grows, "; ")
		}
		r.Value = strings.Join(parts, ", ")
		out = append(out, r)
	}
	return out
}

// middle is the median; 0 of nothing.
func middle(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(v))[len(v)/2]
}

// slope is the rise per hour of the straight line of least squares.
func slope(at []time.Duration, v []float64) float64 {
	var sx, sy, sxx, sxy float64
	for i := range v {
		x := at[i].Hours()
		sx, sy, sxx, sxy = sx+x, sy+v[i], sxx+x*x, sxy+x*v[i]
	}
	n := float64(len(v))
	if d := n*sxx - sx*sx; d > 0 {
		return (n*sxy - sx*sy) / d
	}
	return 0
}
