package gm

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/gdoi"
)

// TestTimeProbe: each drop that the engine kept is in the journal once, and only a member that hears nothing else any more
// doubts its clock.
func TestTimeProbe(t *testing.T) {
	p := newTimeProbe()
	late := func(at engine.Instant, age time.Duration) engine.LatePacket {
		return engine.LatePacket{At: at, Source: netip.MustParseAddr("10.1.0.1"), SPI: 0x1234, Mine: 100 * time.Second, Age: age, Window: 10 * time.Second}
	}
	notes, reports := p.look([]engine.TimeStats{{Group: "blue", Stale: 2, In: 5, Recent: []engine.LatePacket{late(1, 11*time.Second), late(2, -12*time.Second)}}})
	if len(notes) != 2 || len(reports) != 0 {
		t.Fatalf("%+v %+v", notes, reports)
	}
	fields := map[string]string{}
	for _, f := range notes[0].Fields {
		fields[f.Key] = f.Value
	}
	if fields["source"] != "10.1.0.1" || fields["my_pseudotime"] != "100.000" || fields["peer_pseudotime"] != "89.000" || fields["window"] != "10.000" || fields["spi"] != "00001234" {
		t.Errorf("%v", fields)
	}
	if !strings.Contains(notes[0].Text, "11s old") || !strings.Contains(notes[1].Text, "12s ahead") {
		t.Errorf("%q, %q", notes[0].Text, notes[1].Text)
	}
	for i := range 2 * unknownRuns {
		notes, reports = p.look([]engine.TimeStats{{Group: "blue", Stale: uint64(3 + i), In: 5, Recent: []engine.LatePacket{late(2, 0), late(3, 5*time.Second)}}, {Group: "red"}})
		if want := (i+1)%unknownRuns == 0; want != (len(reports) == 1) || want && reports[0] != (gdoi.DataPlaneReport{Group: "blue", Kind: gdoi.OutOfTime}) {
			t.Errorf("probe %d: %+v", i, reports)
		}
		if i == 0 && (len(notes) != 1 || !strings.Contains(notes[0].Text, "before this member had the key")) || i > 0 && len(notes) != 0 {
			t.Errorf("probe %d: %+v", i, notes)
		}
	}
	// Somebody replays while good packets come: nothing is wrong with the clock.
	for i := range 5 * unknownRuns {
		if _, reports = p.look([]engine.TimeStats{{Group: "blue", Stale: uint64(100 + i), In: uint64(6 + i)}}); len(reports) != 0 {
			t.Fatalf("%+v", reports)
		}
	}
}
