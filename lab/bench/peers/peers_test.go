package peers

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/scenario"
)

func TestResult(t *testing.T) {
	r := newResult(Config{Rounds: 3, Peers: []string{"plain", Own, "nebula", "openvpn"}, Tests: []string{"tcp1", "udp64"}})
	r.Processors = 2
	for _, v := range []struct {
		peer, test string
		values     []float64
	}{
		{"plain", "tcp1", []float64{2, 3, 1}},
		{Own, "tcp1", []float64{1.5, 1.8, 1.6, 1.7}}, // of an even number: the mean of the middle two
		{Own, "tcp1.cpu", []float64{7}},
		{Own, "udp64", []float64{123456}},
		{"nebula", "udp64", []float64{0}}, // lost too much at every rate
	} {
		for _, x := range v.values {
			r.add(v.peer, v.test, x)
		}
	}
	r.miss("openvpn", errors.New("no such package"))
	r.Errors = append(r.Errors, "round 2, nebula: tcp1: broken")
	want := [][]string{
		{"peer", "1 TCP flow, Gbit/s", "getvpn is", "CPU s/GB", "64 octets, packets/s", "getvpn is"},
		{"plain", "2.00 (1.00–3.00)", "0.82×", "–", "–", "–"},
		{Own, "1.65 (1.50–1.80)", "1.00×", "7.00 (7.00–7.00)", "123,456 (123,456–123,456)", "1.00×"},
		{"nebula", "–", "–", "–", "0 (0–0)", "–"},
	}
	if got := r.table(); !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("table\n%q, want\n%q", got, want)
	}
	var text, md strings.Builder
	r.Print(&text)
	r.Markdown(&md)
	for _, out := range []string{text.String(), md.String()} {
		for _, part := range []string{"rounds: 3, on 2 processors", "0.82×", "openvpn is left out: no such package", "round 2, nebula: tcp1: broken"} {
			if !strings.Contains(out, part) {
				t.Errorf("no %q in\n%s", part, out)
			}
		}
	}
	if !strings.Contains(md.String(), "| peer | 1 TCP flow, Gbit/s | getvpn is |") || !strings.Contains(md.String(), "\n| --- | --- |") {
		t.Errorf("no table of Markdown:\n%s", md.String())
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(b, &back); err != nil || back.Rows[1].Cells["tcp1"].Ratio != 1 || len(back.Rows[0].Cells["tcp1"].Values) != 3 {
		t.Errorf("%v: %s", err, b)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0123: "0.0123", 0.98765: "0.988", 1.2345: "1.23", 12.345: "12.3", 123.45: "123", 999.9: "1000", 1000: "1,000", 1234567.8: "1,234,568"} {
		if got := number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

// TestSearch: against a path that carries so many packets a second and loses the rest, the search ends near that rate, below.
func TestSearch(t *testing.T) {
	for _, row := range []struct {
		capacity, source float64
		collapse         float64 // of what a flooded path still carries
	}{{100_000, 400_000, 1}, {100_000, 400_000, 0.3}, {100_000, 150_000, 0.9}, {500, 400_000, 1}, {500_000, 400_000, 1}} {
		probes := 0
		best, err := search(8, func(rate float64) (offered, error) {
			probes++
			if rate == 0 || rate > row.source {
				rate = row.source
			}
			carried := rate
			if rate > row.capacity {
				carried = row.capacity * row.collapse
			}
			return offered{uint64(rate), uint64(carried), 1}, nil
		})
		limit := min(row.capacity, row.source)
		if err != nil || best > limit*(1+tolerated) || best < 0.9*min(limit, 2*limit*row.collapse) || probes > 9 {
			t.Errorf("%+v: %v after %d probes, %v", row, best, probes, err)
		}
	}
	if best, err := search(4, func(float64) (offered, error) { return offered{1000, 0, 1}, nil }); best != 0 || err != nil {
		t.Errorf("a path that carries nothing: %v, %v", best, err)
	}
	broken := errors.New("broken")
	if _, err := search(4, func(float64) (offered, error) { return offered{}, broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// TestTable: the topology is one, and every default peer and every test exists.
func TestTable(t *testing.T) {
	s, err := scenario.Parse("topology.yaml", topology, scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Address(hostB) != sinkPort.Addr() || s.Address(hostA).String() != "10.77.1.10" {
		t.Errorf("hosts have %v and %v", s.Address(hostA), s.Address(hostB))
	}
	for _, name := range Default() {
		if _, err := find(name); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []Config{{Peers: []string{"nobody"}, Tests: TestNames()}, {Peers: Default(), Tests: []string{"tcp9"}}} {
		c.Log = io.Discard
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "there are: ") {
			t.Errorf("%v", err)
		}
	}
	for _, name := range TestNames() {
		if titles[name] == "" {
			t.Errorf("%s has no title", name)
		}
	}
	if b, err := busy(); err != nil || b <= 0 || math.IsInf(b, 0) {
		t.Errorf("busy: %v, %v", b, err)
	}
	if got := fingerprint(nil); !strings.HasPrefix(got, "E3:B0:C4:42:") || len(got) != 95 {
		t.Errorf("fingerprint %s", got)
	}
}
