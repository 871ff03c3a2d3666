package peers

import (
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// cpuSuffix names the processor time that belongs to a test.
const cpuSuffix = ".cpu"

// Result is what a run measured.
type Result struct {
	Rounds     int               `json:"rounds"`
	Processors int               `json:"processors"`
	Tests      []string          `json:"tests"` // columns, with those of processor time
	Rows       []Row             `json:"peers"`
	Missing    map[string]string `json:"missing"` // why a peer is left out
	Errors     []string          `json:"errors"`  // of single visits
}

// Row is a peer.
type Row struct {
	Peer  string             `json:"peer"`
	About string             `json:"about"`
	Cells map[string]Samples `json:"tests"`
}

// Samples are the figures of one peer in one test: Gbit/s, packets/s, or seconds of all processors for each GB.
type Samples struct {
	Values []float64 `json:"values"` // in the order of the rounds
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	// Ratio is the median of getvpn divided by this one, where both were measured; 0 elsewhere.
	Ratio float64 `json:"getvpn_ratio,omitempty"`
}

func newResult(c Config) *Result {
	r := &Result{Rounds: c.Rounds, Processors: runtime.NumCPU(), Missing: map[string]string{}, Errors: []string{}, Rows: []Row{}}
	for _, t := range c.Tests {
		r.Tests = append(r.Tests, t)
		if strings.HasPrefix(t, "tcp") {
			r.Tests = append(r.Tests, t+cpuSuffix)
		}
	}
	for _, name := range c.Peers {
		p, _ := find(name)
		r.Rows = append(r.Rows, Row{name, p.about, map[string]Samples{}})
	}
	return r
}

func (r *Result) miss(peer string, why error) {
	r.Missing[peer] = why.Error()
	r.Rows = slices.DeleteFunc(r.Rows, func(w Row) bool { return w.Peer == peer })
	r.ratios()
}

// add takes one figure and brings everything that follows from it up to date.
func (r *Result) add(peer, test string, v float64) {
	i := slices.IndexFunc(r.Rows, func(w Row) bool { return w.Peer == peer })
	values := append(slices.Clone(r.Rows[i].Cells[test].Values), v)
	sorted := slices.Sorted(slices.Values(values))
	r.Rows[i].Cells[test] = Samples{Values: values, Median: median(sorted), Min: sorted[0], Max: sorted[len(sorted)-1]}
	r.ratios()
}

func (r *Result) ratios() {
	i := slices.IndexFunc(r.Rows, func(w Row) bool { return w.Peer == Own })
	for _, w := range r.Rows {
		for t, s := range w.Cells {
			s.Ratio = 0
			if i >= 0 && s.Median > 0 {
				s.Ratio = r.Rows[i].Cells[t].Median / s.Median
			}
			w.Cells[t] = s
		}
	}
}

func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// number has three digits that count, and none behind the point from 1,000 on.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 1000:
		return grouped(int64(math.Round(v)))
	}
	return fmt.Sprintf("%.*f", max(0, 2-int(math.Floor(math.Log10(v)))), v)
}

func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// titles of columns.
var titles = map[string]string{
	"tcp1": "1 TCP flow, Gbit/s", "tcp1" + cpuSuffix: "CPU s/GB", "tcp4": "4 TCP flows, Gbit/s", "tcp4" + cpuSuffix: "CPU s/GB",
	"udp64": "64 octets, packets/s", "udp1400": "1400 octets, packets/s",
}

// cell is median (minimum–maximum).
func cell(s Samples) string {
	if len(s.Values) == 0 {
		return "–"
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
}

// ratio says by how much getvpn is ahead; processor time is not a rate and has none.
func ratio(s Samples) string {
	if s.Ratio == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f×", s.Ratio)
}

// table is the header and the lines: per test the figures and, but for processor time, getvpn's ratio to them.
func (r *Result) table() (out [][]string) {
	head := []string{"peer"}
	for _, t := range r.Tests {
		if head = append(head, titles[t]); !strings.HasSuffix(t, cpuSuffix) {
			head = append(head, "getvpn is")
		}
	}
	out = append(out, head)
	for _, w := range r.Rows {
		line := []string{w.Peer}
		for _, t := range r.Tests {
			s := w.Cells[t]
			if line = append(line, cell(s)); !strings.HasSuffix(t, cpuSuffix) {
				line = append(line, ratio(s))
			}
		}
		out = append(out, line)
	}
	return out
}

func (r *Result) heading() string {
	return fmt.Sprintf("Median (minimum–maximum) of interleaved rounds: %d, on %d processors. UDP: the highest rate that loses at most 0.1 %%.", r.Rounds, r.Processors)
}

// notes are what is not in the table.
func (r *Result) notes() (out []string) {
	for _, name := range slices.Sorted(maps.Keys(r.Missing)) {
		out = append(out, fmt.Sprintf("%s is left out: %s", name, r.Missing[name]))
	}
	return append(out, r.Errors...)
}

// Print writes the table for a terminal.
func (r *Result) Print(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", r.heading())
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range r.table() {
		fmt.Fprintln(tw, strings.Join(line, "\t"))
	}
	_ = tw.Flush() // w's errors are w's
	for _, n := range r.notes() {
		fmt.Fprintf(w, "\n%s\n", n)
	}
}

// Markdown writes it for a README.
func (r *Result) Markdown(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", r.heading())
	for i, line := range r.table() {
		fmt.Fprintf(w, "| %s |\n", strings.Join(line, " | "))
		if i == 0 {
			fmt.Fprintf(w, "|%s\n", strings.Repeat(" --- |", len(line)))
		}
	}
	fmt.Fprintln(w)
	for _, row := range r.Rows {
		fmt.Fprintf(w, "- `%s`: %s\n", row.Peer, row.About)
	}
	for _, n := range r.notes() {
		fmt.Fprintf(w, "- %s\n", n)
	}
}
