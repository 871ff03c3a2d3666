package mcast

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestParse(t *testing.T) {
	const head = "4600002800004000010200000a0101020000001694040000" // with router alert
	for _, row := range []struct{ name, packet, want string }{
		{"IGMPv2 report", head + "16000000e8010101", "232.1.1.1"},
		{"IGMPv1 report", "4500001c000040000102000000000000e8010101" + "12000000e8010101", "232.1.1.1"},
		{"leave", head + "17000000e8010101", "-232.1.1.1"},
		{"query", head + "11000000e8010101", ""},
		{"link local", head + "16000000e00000fb", ""},
		{"not a group", head + "160000000a010101", ""},
		{"IGMPv3: to exclude nothing, to include nothing, allow a source",
			head + "22000000" + "00000003" + "04000000e8010101" + "03000000e8010102" + "05000001e8010103" + "0a000001", "232.1.1.1 -232.1.1.2 232.1.1.3"},
		{"IGMPv3: auxiliary data, then one cut off", head + "22000000" + "00000002" + "04010000e8010101" + "00000000" + "04000002e8010102" + "0a000001", "232.1.1.1"},
		{"IGMPv3: more said than there is", head + "22000000" + "0000ffff" + "04000000e8010101", "232.1.1.1"},
		{"cut", head + "160000", ""},
		{"not IGMP", "4500001c000040000111000000000000e8010101" + "16000000e8010101", ""},
		{"not IPv4", "60", ""},
	} {
		b, err := hex.DecodeString(row.packet)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, r := range parse(b) {
			if got != "" {
				got += " "
			}
			if r.leave {
				got += "-"
			}
			got += r.group.String()
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0x46})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range parse(b) {
			if !r.group.IsMulticast() {
				t.Fatal(r)
			}
		}
		parseUpcall(b)
	})
}

func TestQuery(t *testing.T) {
	if d := cmp.Diff("1164ee9b00000000", hex.EncodeToString(query(netip.IPv4Unspecified(), 100))); d != "" { // RFC 2236, 10 s
		t.Error(d)
	}
	if d := cmp.Diff("110a05f3e8010101", hex.EncodeToString(query(addr("232.1.1.1"), 10))); d != "" {
		t.Error(d)
	}
}

func TestTable(t *testing.T) {
	x := table{
		permits: []Permit{{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("232.0.0.0/8")}},
		members: map[member]time.Time{},
	}
	start := time.Unix(0, 0)
	g, other := addr("232.1.1.1"), addr("239.1.1.1")
	if !x.hear(start, 1, report{g, false}) || x.hear(start, 1, report{g, false}) || !x.hear(start, 0, report{g, false}) || !x.hear(start, 0, report{other, false}) {
		t.Error("news are what was not known")
	}
	if d := cmp.Diff([]netip.Addr{g}, x.wanted(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Error("joined on the WAN: " + d)
	}
	if d := cmp.Diff([]int{0, 1}, x.lans(g)); d != "" {
		t.Error(d)
	}
	for _, row := range []struct {
		src, group string
		want       bool
	}{{"10.1.1.2", "232.9.9.9", true}, {"192.0.2.1", "232.9.9.9", false}, {"10.1.1.2", "239.1.1.1", false}} {
		if x.outward(addr(row.src), addr(row.group)) != row.want {
			t.Error(row)
		}
	}
	// A leave: somebody else may still answer; who does stays, who does not goes.
	x.hear(start, 0, report{g, true})
	x.hear(start, 1, report{g, true})
	x.hear(start, 1, report{g, false})
	if x.expire(start.Add(leaveWait-1)) || !x.expire(start.Add(leaveWait)) {
		t.Error("a leave takes its time")
	}
	if d := cmp.Diff([]int{1}, x.lans(g)); d != "" {
		t.Error(d)
	}
	if !x.expire(start.Add(memberFor)) || x.lans(g) != nil || x.wanted() != nil {
		t.Error("silence is a leave")
	}
	if x.hear(start, 0, report{g, true}); len(x.members) != 0 {
		t.Error("who leaves was not there")
	}
	for i := range maxMembers + 10 {
		x.hear(start, 0, report{netip.AddrFrom4([4]byte{232, 1, byte(i >> 8), byte(i)}), false})
	}
	if len(x.members) != maxMembers {
		t.Errorf("%d members", len(x.members))
	}
}

func TestUpcall(t *testing.T) {
	b, _ := hex.DecodeString("0000000000000000" + "01000200" + "0a010102" + "e8010101")
	if u, ok := parseUpcall(b); !ok || u.vif != 2 || u.src != addr("10.1.1.2") || u.group != addr("232.1.1.1") {
		t.Errorf("%+v %v", u, ok)
	}
	b[8] = 2 // a wrong interface
	if _, ok := parseUpcall(b); ok {
		t.Error("not a question")
	}
}
