package tun

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/getvpn/getvpn/esp/packet"
)

// tcpSuper is a super-packet as the kernel gives it: n octets behind headers with flags, its checksum partial.
func tcpSuper(v6 bool, n, size int, flags byte) (vnetHeader, []byte) {
	p := pkt{src: "9", port: 80, v6: v6, id: 65535, ttl: 64, df: true, seq: 1<<32 - 500, flags: tcpACK | flags, window: 9, options: []byte{1, 1, 1, 1}}
	for i := range n {
		p.payload = append(p.payload, byte(i/size))
	}
	b := p.bytes()
	h := vnetHeader{flags: needsCsum, gsoType: gsoTCP4, gsoSize: uint16(size), csumStart: ip4Len, csumOffset: tcpCsum}
	if v6 {
		h.gsoType, h.csumStart = gsoTCP6, ip6Len
	}
	return h, b
}

func TestSplitTCP(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		h, b := tcpSuper(v6, 2500, 1000, tcpFIN|tcpPSH|tcpCWR)
		var s splitter
		if err := s.load(h, b); err != nil {
			t.Fatal(err)
		}
		for i, want := range []pkt{{flags: tcpACK | tcpCWR}, {flags: tcpACK}, {flags: tcpACK | tcpFIN | tcpPSH}} {
			want.src, want.port, want.v6, want.id, want.ttl, want.df = "9", 80, v6, uint16(65535+i), 64, true
			want.seq, want.window, want.options = 1<<32-500+uint32(i)*1000, 9, []byte{1, 1, 1, 1}
			want.payload = bytes.Repeat([]byte{byte(i)}, min(1000, 2500-1000*i))
			buf := make([]byte, 1500)
			n := s.next(buf)
			if !bytes.Equal(buf[:n], want.bytes()) {
				t.Errorf("IPv6 %v, segment %d:\n%x, want\n%x", v6, i, buf[:n], want.bytes())
			}
		}
		if !s.empty() {
			t.Error("there is more")
		}
	}
}

func TestSplitUDP(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		whole := pkt{udp: true, src: "9", port: 53, v6: v6, id: 7, ttl: 3, payload: bytes.Repeat([]byte{5}, 130)}.bytes()
		h := vnetHeader{flags: needsCsum, gsoType: gsoUDP, gsoSize: 60, csumStart: ip4Len, csumOffset: udpCsum}
		if v6 {
			h.csumStart = ip6Len
		}
		var s splitter
		if err := s.load(h, whole); err != nil {
			t.Fatal(err)
		}
		for i, n := range []int{60, 60, 10} {
			want := pkt{udp: true, src: "9", port: 53, v6: v6, id: 7 + uint16(i), ttl: 3, payload: bytes.Repeat([]byte{5}, n)}.bytes()
			buf := make([]byte, 1500)
			if got := s.next(buf); !bytes.Equal(buf[:got], want) {
				t.Errorf("IPv6 %v, datagram %d: %x, want %x", v6, i, buf[:got], want)
			}
		}
	}
}

// TestSplitCompletesTheChecksum is for a packet that only lacks that: the kernel left the sum of the pseudo header.
func TestSplitCompletesTheChecksum(t *testing.T) {
	for name, want := range map[string][]byte{
		"TCP":      stream(1, 333, nil)[0],
		"UDP":      datagrams(1, 333, nil)[0],
		"UDP of 0": zeroSum(t),
		"IPv6":     stream(1, 100, func(_ int, p *pkt) { p.v6 = true })[0],
	} {
		b := bytes.Clone(want)
		h := vnetHeader{flags: needsCsum, csumStart: ip4Len, csumOffset: tcpCsum}
		pseudo := packet.Sum(uint64(len(b)-ip4Len)+uint64(b[9]), b[12:20])
		if b[0]>>4 == 6 {
			h.csumStart = ip6Len
			pseudo = packet.Sum(uint64(len(b)-ip6Len)+uint64(b[6]), b[8:40])
		} else if b[9] == protoUDP {
			h.csumOffset = udpCsum
		}
		binary.BigEndian.PutUint16(b[h.csumStart+h.csumOffset:], packet.Fold(pseudo))
		var s splitter
		buf := make([]byte, 1500)
		if err := s.load(h, b); err != nil || s.next(buf) != len(want) || !bytes.Equal(buf[:len(want)], want) {
			t.Errorf("%s: %v\n%x, want\n%x", name, err, buf[:len(want)], want)
		}
	}
}

// zeroSum is a datagram whose checksum comes to 0 and is therefore written as all ones.
func zeroSum(t *testing.T) []byte {
	b := datagrams(1, 2, func(_ int, p *pkt) { p.payload = []byte{0, 0} })[0]
	copy(b[28:], b[26:28]) // the checksum as data makes the sum vanish
	if fix(b); b[26]&b[27] != 0xff {
		t.Fatalf("the checksum is %x", b[26:28])
	}
	return b
}

func TestSplitRefuses(t *testing.T) {
	good := func() (vnetHeader, []byte) { return tcpSuper(false, 2500, 1000, 0) }
	for name, spoil := range map[string]func(h *vnetHeader, b *[]byte){
		"no checksum asked": func(h *vnetHeader, _ *[]byte) { h.flags = 0 },
		"size 0":            func(h *vnetHeader, _ *[]byte) { h.gsoSize = 0 },
		"start":             func(h *vnetHeader, _ *[]byte) { h.csumStart = 24 },
		"start beyond":      func(h *vnetHeader, _ *[]byte) { h.csumStart = 60000 },
		"version":           func(h *vnetHeader, _ *[]byte) { h.gsoType = gsoTCP6 },
		"protocol":          func(h *vnetHeader, _ *[]byte) { h.gsoType = gsoUDP },
		"kind":              func(h *vnetHeader, _ *[]byte) { h.gsoType = 3 },
		"short":             func(_ *vnetHeader, b *[]byte) { *b = (*b)[:30] },
		"very short":        func(_ *vnetHeader, b *[]byte) { *b = (*b)[:3] },
		"no payload":        func(_ *vnetHeader, b *[]byte) { *b = (*b)[:44] },
		"TCP header":        func(_ *vnetHeader, b *[]byte) { (*b)[32] = 0x40 },
		"sum beyond": func(h *vnetHeader, _ *[]byte) {
			h.gsoType, h.csumOffset = gsoNone, 60000
		},
	} {
		h, b := good()
		spoil(&h, &b)
		var s splitter
		if err := s.load(h, b); err == nil || !s.empty() {
			t.Errorf("%s: taken", name)
		}
	}
	// What does not fit is left out, and the rest comes.
	h, b := good()
	var s splitter
	if err := s.load(h, b); err != nil {
		t.Fatal(err)
	}
	if n := s.next(make([]byte, 900)); n != 0 {
		t.Errorf("a segment of 1044 octets in 900: %d", n)
	}
	if n := s.next(make([]byte, 1500)); n != 1044 {
		t.Errorf("the next: %d", n)
	}
}

func FuzzSplit(f *testing.F) {
	for _, v6 := range []bool{false, true} {
		h, b := tcpSuper(v6, 2500, 1000, tcpPSH)
		var head [vnetLen]byte
		h.put(head[:])
		f.Add(append(head[:], b...), 1500)
	}
	f.Add(make([]byte, 10), 0)
	f.Fuzz(func(t *testing.T, in []byte, room int) {
		if len(in) < vnetLen {
			return
		}
		var h vnetHeader
		h.parse(in)
		var s splitter
		b := bytes.Clone(in[vnetLen:])
		if s.load(h, b) != nil {
			return
		}
		buf := make([]byte, max(0, min(room, maxSuper)))
		total := 0
		for i := 0; !s.empty(); i++ {
			if i > len(b) {
				t.Fatal("no end")
			}
			total += s.next(buf)
		}
		if s.size == 0 && total > len(b) {
			t.Fatalf("%d octets became %d", len(b), total)
		}
	})
}

// FuzzMerge merges packets that a fuzzer changes and cuts them again: each flow must be what it was. in: the number of a
// packet, an octet in it, what to change it by, and so on.
func FuzzMerge(f *testing.F) {
	f.Add([]byte{0, 0, 0}, false, false, 100)
	f.Add([]byte{3, 33, 8, 2, 4, 1}, true, false, 1400)
	f.Add([]byte{3, 3, 8, 2, 26, 255}, false, true, 1)
	f.Fuzz(func(t *testing.T, in []byte, udp, sums bool, size int) {
		size = max(0, min(size, 1400))
		a := stream(6, size, func(_ int, p *pkt) { p.udp = udp })
		b := stream(6, size, func(_ int, p *pkt) { p.udp, p.v6 = !udp, true })
		var all [][]byte
		for i := range a {
			all = append(all, a[i], b[i])
		}
		for ; len(in) >= 3; in = in[3:] {
			p := all[int(in[0])%len(all)]
			p[int(in[1])%len(p)] += in[2]
			if v := p[0] >> 4; sums && (v == 4 && p[9] == protoTCP || v == 6 && p[6] == protoTCP && len(p) >= ip6Len+tcpLen) {
				fix(p)
			}
		}
		checkMerge(t, all)
	})
}

func TestSuperAllocates(t *testing.T) {
	h, b := tcpSuper(false, 60000, 1400, 0)
	bufs := make([][]byte, 64)
	for i := range bufs {
		bufs[i] = make([]byte, 1500)
	}
	var s splitter
	m := &merger{udp: true}
	in := stream(64, 1400, nil)
	m.plan(in, 0)
	if n := testing.AllocsPerRun(10, func() {
		if s.load(h, b) != nil {
			t.Error("refused")
		}
		for i := 0; !s.empty(); i++ {
			s.next(bufs[i])
		}
		m.plan(in, 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSplit(b *testing.B) {
	h, p := tcpSuper(false, 45*1400, 1400, 0)
	buf := make([]byte, 1500)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		var s splitter
		if s.load(h, p) != nil {
			b.Fatal("refused")
		}
		for !s.empty() {
			s.next(buf)
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	m := &merger{udp: true}
	in := stream(45, 1400, nil)
	b.SetBytes(45 * 1400)
	for b.Loop() {
		m.plan(in, 0)
	}
}
