package sim

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestShortestList: of thirty faults two matter, one of which has to last for five seconds.
func TestShortestList(t *testing.T) {
	var list []Fault
	for i := range 30 {
		list = append(list, Fault{At: time.Duration(i) * time.Second, Kind: FaultPause, Node: gm(i), For: time.Minute})
	}
	runs := 0
	got := shortest(list, func(l []Fault) bool {
		runs++
		at := func(name string) int { return slices.IndexFunc(l, func(f Fault) bool { return f.Node == name }) }
		a, b := at("gm7"), at("gm23")
		return a >= 0 && b > a && l[b].For >= 5*time.Second
	})
	if len(got) != 2 || got[0].Node != "gm7" || got[1].Node != "gm23" || got[1].For < 5*time.Second || got[1].For > 10*time.Second || got[0].For > time.Second {
		t.Errorf("after %d runs: %v", runs, got)
	}
	if runs > 80 {
		t.Errorf("%d runs", runs)
	}
	if got := shortest(list, func([]Fault) bool { return true }); len(got) != 0 {
		t.Errorf("what is broken without faults was shrunk to %v", got)
	}
}

// TestDiagrams: arrows that repeat are one, what is lost is seen, and key servers come first.
func TestDiagrams(t *testing.T) {
	s := New(Config{Seed: 1, Members: 2, Group: quick, Network: Network{Loss: 0.2, Latency: time.Millisecond}})
	var entries []Entry
	s.Log = func(e Entry) { entries = append(entries, e) }
	s.Inflict([]Fault{{At: 50 * time.Second, Kind: FaultCrash, Node: "ks1", For: time.Second}})
	s.Run(2 * time.Minute)
	var text, mermaid, trace strings.Builder
	if err := Columns(&text, entries, 80); err != nil {
		t.Fatal(err)
	}
	if err := Diagram(&mermaid, entries, 80); err != nil {
		t.Fatal(err)
	}
	if err := WriteTrace(&trace, entries); err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string][]string{
		text.String():    {"ks1    gm", "PUSH", "lost", "------>", "rekey-sent"},
		mermaid.String(): {"sequenceDiagram\n  participant ks1\n", "ks1->>gm1: ", "--x", "Note over ks1: ", "PUSH"},
		trace.String():   {"persist     ks1            #1 ", "crash       ks1", "start       ks1", "fault", "receive     ks1 -> gm1"},
	} {
		for _, w := range want {
			if !strings.Contains(what, w) {
				t.Errorf("there is no %q in\n%s", w, what[:min(3000, len(what))])
			}
		}
	}
}
