package mroute

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/esp/packet"
)

var (
	group = netip.MustParseAddr("239.192.1.1")
	ks    = netip.MustParseAddr("172.16.100.1")
)

// report3 is a version 3 report with one record.
func report3(kind byte, g netip.Addr, sources ...netip.Addr) []byte {
	b := []byte{typeReportV3, 0, 0, 0, 0, 0, 0, 1, kind, 0, 0, byte(len(sources))}
	a := g.As4()
	b = append(b, a[:]...)
	for _, s := range sources {
		a := s.As4()
		b = append(b, a[:]...)
	}
	binary.BigEndian.PutUint16(b[2:], packet.Checksum(b))
	return b
}

func report2(kind byte) []byte {
	b := []byte{kind, 0, 0, 0, 239, 192, 1, 1}
	binary.BigEndian.PutUint16(b[2:], packet.Checksum(b))
	return b
}

func TestIGMP(t *testing.T) {
	damaged := report3(changeToExclude, group)
	damaged[15] ^= 1
	short := report3(changeToExclude, group)
	short[7] = 200 // records that are not there
	binary.BigEndian.PutUint16(short[2:], 0)
	binary.BigEndian.PutUint16(short[2:], packet.Checksum(short))
	for _, c := range []struct {
		name  string
		b     []byte
		query bool
		want  []bool // of the group
	}{
		{"join", report3(changeToExclude, group), false, []bool{true}},
		{"still there", report3(modeIsExclude, group), false, []bool{true}},
		{"leave", report3(changeToInclude, group), false, []bool{false}},
		{"from a source", report3(allowSources, group, ks), false, []bool{true}},
		{"no source any more", report3(5+1, group, ks), false, nil},
		{"version 2 join", report2(typeReportV2), false, []bool{true}},
		{"version 2 leave", report2(typeLeaveV2), false, []bool{false}},
		{"query", queryMessage(5), true, nil},
		{"damaged", damaged, false, nil},
		{"records missing", short, false, []bool{true}},
		{"empty", nil, false, nil},
		{"not multicast", report3(changeToExclude, ks), false, nil},
	} {
		got, query := parseIGMP(c.b)
		if query != c.query || len(got) != len(c.want) {
			t.Errorf("%s: %v, query %v", c.name, got, query)
			continue
		}
		for i, w := range c.want {
			if got[i] != (change{group, w}) {
				t.Errorf("%s: %v", c.name, got)
			}
		}
	}
}

// TestTable has members on interfaces 1 and 2, a router on 3, the source behind 0.
func TestTable(t *testing.T) {
	now := time.Unix(0, 0)
	tab := newTable(10 * time.Second)
	f := flow{ks, group}
	out := func() []int {
		var n []int
		for i := range 4 {
			if tab.entries()[f].out[i] {
				n = append(n, i)
			}
		}
		return n
	}
	want := func(when string, on ...int) {
		t.Helper()
		got := out()
		if len(got) != len(on) {
			t.Fatalf("%s: goes to %v; want %v", when, got, on)
		}
		for i := range on {
			if got[i] != on[i] {
				t.Fatalf("%s: goes to %v; want %v", when, got, on)
			}
		}
	}
	tab.arrives(f, 0)
	want("nobody asked")
	tab.report(now, 1, change{group, true})
	tab.report(now, 0, change{group, true})
	want("one member, and the source's own link", 1)
	if tab.joins(3)[group] {
		t.Error("joined where no router is")
	}
	tab.query(now, 3)
	if !tab.joins(3)[group] || tab.joins(1)[group] {
		t.Error("the router on 3 must hear of it, and only it")
	}
	now = now.Add(6 * time.Second)
	tab.report(now, 3, change{group, true})
	tab.report(now, 2, change{group, true})
	want("members behind the router too", 1, 2, 3)
	tab.report(now, 2, change{group, false})
	want("one left", 1, 3)
	now = now.Add(5 * time.Second)
	tab.expire(now)
	want("one has fallen silent", 3)
	if tab.joins(3)[group] {
		t.Error("membership comes back to where it came from")
	}
}

func TestStructs(t *testing.T) {
	b := mfcctl(flow{ks, group}, entry{2, map[int]bool{0: true, 31: true}})
	if len(b) != 60 || !bytes.Equal(b[:8], []byte{172, 16, 100, 1, 239, 192, 1, 1}) || b[10] != 1 || b[11] != 255 || b[41] != 1 {
		t.Errorf("%x", b)
	}
	up := make([]byte, 20)
	up[8], up[10] = upcallNone, 3
	copy(up[12:], []byte{172, 16, 100, 1, 239, 192, 1, 1})
	if f, kind, vif, ok := upcall(up); !ok || f != (flow{ks, group}) || kind != upcallNone || vif != 3 {
		t.Errorf("%v %d %d %v", f, kind, vif, ok)
	}
	up[9] = 2
	if _, _, _, ok := upcall(up); ok {
		t.Error("an IGMP packet is taken for an upcall")
	}
}
