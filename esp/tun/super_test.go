package tun

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/esp/packet"
)

// pkt makes one packet; its fields are the ones that matter to merging.
type pkt struct {
	v6, udp  bool
	src      string
	port     uint16
	id       uint16
	tos, ttl byte
	df       bool
	seq, ack uint32
	flags    byte
	window   uint16
	options  []byte
	payload  []byte
}

func (p pkt) bytes() []byte {
	var t []byte
	if p.udp {
		t = make([]byte, udpLen)
		binary.BigEndian.PutUint16(t[4:], uint16(udpLen+len(p.payload)))
	} else {
		t = append(make([]byte, tcpLen), p.options...)
		binary.BigEndian.PutUint32(t[4:], p.seq)
		binary.BigEndian.PutUint32(t[8:], p.ack)
		t[12], t[13] = byte(len(t)/4)<<4, p.flags
		binary.BigEndian.PutUint16(t[14:], p.window)
	}
	binary.BigEndian.PutUint16(t, 4000)
	binary.BigEndian.PutUint16(t[2:], p.port)
	t = append(t, p.payload...)
	proto := byte(protoTCP)
	if p.udp {
		proto = protoUDP
	}
	var h []byte
	if p.v6 {
		h = make([]byte, ip6Len)
		h[0], h[1], h[6], h[7] = 0x60|p.tos>>4, p.tos<<4, proto, p.ttl
		binary.BigEndian.PutUint16(h[4:], uint16(len(t)))
		s := netip.MustParseAddr("2001:db8::" + p.src).As16()
		copy(h[8:], s[:])
		h[24], h[39] = 0xfd, 2
	} else {
		h = make([]byte, ip4Len)
		h[0], h[1], h[8], h[9] = 0x45, p.tos, p.ttl, proto
		binary.BigEndian.PutUint16(h[2:], uint16(ip4Len+len(t)))
		binary.BigEndian.PutUint16(h[4:], p.id)
		if p.df {
			h[6] = 0x40
		}
		s := netip.MustParseAddr("10.1.0." + p.src).As4()
		copy(h[12:], s[:])
		copy(h[16:], []byte{10, 2, 0, 9})
	}
	b := append(h, t...)
	fix(b)
	return b
}

// fix computes the checksums afresh, the long way.
func fix(b []byte) {
	l4, proto, pseudo := ip4Len, b[9], b[12:20]
	if b[0]>>4 == 6 {
		l4, proto, pseudo = ip6Len, b[6], b[8:40]
	} else {
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], packet.Checksum(b[:ip4Len]))
	}
	at := l4 + tcpCsum
	if proto == protoUDP {
		at = l4 + udpCsum
	}
	b[at], b[at+1] = 0, 0
	all := append(append(bytes.Clone(pseudo), 0, proto, byte((len(b)-l4)>>8), byte(len(b)-l4)), b[l4:]...)
	check := packet.Checksum(all)
	if check == 0 && proto == protoUDP {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(b[at:], check)
}

// stream is a TCP connection: each packet continues the one before.
func stream(n, size int, change func(i int, p *pkt)) [][]byte {
	p := pkt{src: "9", port: 80, id: 65534, ttl: 64, df: true, seq: 1<<32 - 2000, ack: 7, flags: tcpACK, window: 500}
	var out [][]byte
	for i := range n {
		q := p
		q.payload = bytes.Repeat([]byte{byte(i + 1)}, size)
		if change != nil {
			change(i, &q)
		}
		out = append(out, q.bytes())
		p.seq = q.seq + uint32(len(q.payload))
		p.id = q.id + 1
	}
	return out
}

// datagrams is a UDP flow.
func datagrams(n, size int, change func(i int, p *pkt)) [][]byte {
	return stream(n, size, func(i int, p *pkt) {
		p.udp = true
		if change != nil {
			change(i, p)
		}
	})
}

// shape is the sizes of the runs that a batch is merged into.
func shape(m *merger) string {
	var s []string
	for _, r := range m.runs {
		s = append(s, fmt.Sprint(r.count))
	}
	return strings.Join(s, " ")
}

// super is what the kernel gets for a run.
func super(m *merger, r *run, bufs [][]byte, offset int) []byte {
	var head [vnetLen + maxHeaders]byte
	if r.count == 1 {
		return append(make([]byte, vnetLen), bufs[r.first][offset:]...)
	}
	b := bytes.Clone(head[:r.put(head[:], bufs[r.first][offset:], bufs[r.last][offset:])])
	for i := r.first; i >= 0; i = m.next[i] {
		b = append(b, bufs[i][offset+r.headers:]...)
	}
	return b
}

// cut is the packets that the kernel, or we, make of b.
func cut(t testing.TB, b []byte) [][]byte {
	t.Helper()
	var h vnetHeader
	h.parse(b)
	var s splitter
	if err := s.load(h, bytes.Clone(b[vnetLen:])); err != nil {
		t.Fatalf("%v: %x", err, b)
	}
	var out [][]byte
	for !s.empty() {
		buf := make([]byte, maxSuper)
		n := s.next(buf)
		out = append(out, buf[:n])
	}
	return out
}

// flowOf names what must keep its order; rubbish is one flow.
func flowOf(p []byte) string {
	var r run
	if r.classify(p, true) == odd {
		return "odd"
	}
	if r.l4 == ip4Len {
		return string(p[9]) + string(p[12:24])
	}
	return string(p[6]) + string(p[8:44])
}

// checkMerge merges packets, cuts them again, and compares each flow.
func checkMerge(t testing.TB, in [][]byte) *merger {
	t.Helper()
	const offset = 3
	var bufs [][]byte
	want, got := map[string][][]byte{}, map[string][][]byte{}
	for _, p := range in {
		bufs = append(bufs, append(make([]byte, offset), p...))
		if len(p) > 0 {
			want[flowOf(p)] = append(want[flowOf(p)], p)
		}
	}
	m := &merger{udp: true}
	m.plan(bufs, offset)
	for i := range m.runs {
		for _, p := range cut(t, super(m, &m.runs[i], bufs, offset)) {
			got[flowOf(p)] = append(got[flowOf(p)], p)
		}
	}
	for name, w := range want {
		if len(w) != len(got[name]) {
			t.Fatalf("flow %x: %d packets became %d", name, len(w), len(got[name]))
		}
		for i := range w {
			if !bytes.Equal(w[i], got[name][i]) {
				t.Fatalf("flow %x, packet %d:\n%x became\n%x", name, i, w[i], got[name][i])
			}
		}
	}
	return m
}

func TestMerge(t *testing.T) {
	at := func(n int, f func(p *pkt)) func(int, *pkt) {
		return func(i int, p *pkt) {
			if i == n {
				f(p)
			}
		}
	}
	all := func(f func(p *pkt)) func(int, *pkt) { return func(_ int, p *pkt) { f(p) } }
	v6 := func(f func(int, *pkt)) func(int, *pkt) {
		return func(i int, p *pkt) {
			p.v6 = true
			if f != nil {
				f(i, p)
			}
		}
	}
	broken := func(in [][]byte, n, octet int) [][]byte { in[n][octet] ^= 1; return in }
	stamps := []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}
	for name, row := range map[string]struct {
		in   [][]byte
		want string
	}{
		"a stream":             {stream(10, 1400, nil), "10"},
		"without DF":           {stream(10, 1400, all(func(p *pkt) { p.df = false })), "10"},
		"IPv6":                 {stream(10, 1400, v6(nil)), "10"},
		"timestamps":           {stream(10, 1400, all(func(p *pkt) { p.options = stamps })), "10"},
		"ECE on all":           {stream(4, 100, all(func(p *pkt) { p.flags |= tcpECE })), "4"},
		"a short segment ends": {stream(6, 1000, at(3, func(p *pkt) { p.payload = p.payload[:10] })), "4 2"},
		"a longer one begins":  {stream(6, 1000, at(3, func(p *pkt) { p.payload = append(p.payload, 1) })), "3 2 1"},
		"PSH ends":             {stream(6, 1000, at(2, func(p *pkt) { p.flags |= tcpPSH })), "3 3"},
		"PSH on the first":     {stream(6, 1000, at(0, func(p *pkt) { p.flags |= tcpPSH })), "1 5"},
		"FIN ends":             {stream(3, 1000, at(2, func(p *pkt) { p.flags |= tcpFIN | tcpPSH })), "3"},
		"SYN is alone":         {stream(3, 1000, at(0, func(p *pkt) { p.flags |= tcpSYN })), "1 2"},
		"RST is alone":         {stream(3, 1000, at(1, func(p *pkt) { p.flags |= tcpRST })), "1 1 1"},
		"URG is alone":         {stream(3, 1000, at(1, func(p *pkt) { p.flags |= tcpURG })), "1 1 1"},
		"CWR is alone":         {stream(4, 1000, at(1, func(p *pkt) { p.flags |= tcpCWR })), "1 1 2"},
		"no ACK is alone":      {stream(3, 1000, at(1, func(p *pkt) { p.flags = 0 })), "1 1 1"},
		"an empty ACK":         {stream(4, 1000, at(1, func(p *pkt) { p.payload = nil })), "1 1 2"},
		"another ACK":          {stream(4, 1000, at(2, func(p *pkt) { p.ack++ })), "2 1 1"},
		"another window":       {stream(4, 1000, at(2, func(p *pkt) { p.window++ })), "2 1 1"},
		"another TOS":          {stream(4, 1000, at(2, func(p *pkt) { p.tos = 3 })), "2 1 1"},
		"another TTL":          {stream(4, 1000, at(2, func(p *pkt) { p.ttl-- })), "2 1 1"},
		"another DF":           {stream(4, 1000, at(2, func(p *pkt) { p.df = false })), "2 1 1"},
		"another ECE":          {stream(4, 1000, at(2, func(p *pkt) { p.flags |= tcpECE })), "2 1 1"},
		"other options":        {stream(4, 1000, at(2, func(p *pkt) { p.options = stamps })), "2 1 1"},
		"a gap":                {stream(4, 1000, at(2, func(p *pkt) { p.seq += 1000 })), "2 2"},
		"a repetition":         {stream(4, 1000, at(2, func(p *pkt) { p.seq -= 1000 })), "2 2"},
		"a gap of ids":         {stream(4, 1000, at(2, func(p *pkt) { p.id++ })), "2 2"},
		"the same id":          {stream(4, 1000, at(2, func(p *pkt) { p.id-- })), "2 2"},
		"IPv6 class":           {stream(4, 1000, v6(at(2, func(p *pkt) { p.tos = 3 }))), "2 1 1"},
		"IPv6 hop limit":       {stream(4, 1000, v6(at(2, func(p *pkt) { p.ttl-- }))), "2 1 1"},
		"64 kB":                {stream(100, 1400, nil), "46 46 8"},
		"64 kB of IPv6":        {stream(100, 1400, v6(nil)), "46 46 8"},
		"datagrams":            {datagrams(10, 64, nil), "10"},
		"IPv6 datagrams":       {datagrams(10, 64, v6(nil)), "10"},
		"many datagrams":       {datagrams(100, 64, nil), "64 36"},
		"a shorter datagram":   {datagrams(6, 64, at(2, func(p *pkt) { p.payload = p.payload[1:] })), "3 3"},
		"a longer datagram":    {datagrams(6, 64, at(2, func(p *pkt) { p.payload = append(p.payload, 1) })), "2 2 2"},
		"an empty datagram":    {datagrams(4, 64, at(1, func(p *pkt) { p.payload = nil })), "1 1 2"},

		"a broken first packet":    {broken(stream(4, 1000, nil), 0, 100), "1 3"},
		"a broken packet":          {broken(stream(4, 1000, nil), 1, 100), "1 1 2"},
		"a broken header":          {broken(stream(4, 1000, nil), 1, 10), "1 1 2"},
		"a broken last packet":     {broken(stream(4, 1000, nil), 3, 50), "3 1"},
		"a broken datagram":        {broken(datagrams(4, 64, nil), 1, 30), "1 1 2"},
		"a broken IPv6 packet":     {broken(stream(4, 1000, v6(nil)), 1, 70), "1 1 2"},
		"nothing":                  {nil, ""},
		"an empty packet":          {[][]byte{{}}, ""},
		"rubbish between":          {append(append(stream(2, 100, nil), []byte{0x45, 1}), stream(2, 100, nil)...), "2 1 2"},
		"an unknown version":       {[][]byte{bytes.Repeat([]byte{0x95}, 60)}, "1"},
		"a datagram without a sum": {noSum(datagrams(3, 64, nil)), "1 1 1"},
		"IPv4 options":             {[][]byte{append([]byte{0x46}, make([]byte, 60)...)}, "1"},
		"padded":                   {[][]byte{append(stream(1, 9, nil)[0], 0)}, "1"},
		"fragments":                {fragment(stream(3, 100, nil)), "1 1 1"},
	} {
		if got := shape(checkMerge(t, row.in)); got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
}

func noSum(in [][]byte) [][]byte {
	for _, p := range in {
		p[26], p[27] = 0, 0
	}
	return in
}

func fragment(in [][]byte) [][]byte {
	for _, p := range in {
		p[6] = 0x20
		fix(p)
	}
	return in
}

func TestMergeInterleavedFlows(t *testing.T) {
	var in [][]byte
	flows := 4
	for i := range 10 {
		for f := range flows {
			in = append(in, stream(10, 700, func(_ int, p *pkt) { p.port = uint16(f); p.v6 = f&1 == 1 })[i])
		}
	}
	if got := shape(checkMerge(t, in)); got != "10 10 10 10" {
		t.Errorf("four flows: %s", got)
	}
	in = nil
	for i := range 6 {
		for f := range 3 * maxOpen { // more than are looked for: correct all the same
			in = append(in, stream(6, 70, func(_ int, p *pkt) { p.port = uint16(f) })[i])
		}
	}
	checkMerge(t, in)
	// What cannot be told from a flow's packets is not overtaken by them.
	s := stream(4, 100, nil)
	frag := fragment(stream(1, 100, nil))[0]
	if m := checkMerge(t, [][]byte{s[0], s[1], frag, s[2], s[3]}); shape(m) != "2 1 2" {
		t.Errorf("a fragment between: %s", shape(m))
	}
	syn := stream(1, 100, func(_ int, p *pkt) { p.flags |= tcpSYN })[0]
	if m := checkMerge(t, [][]byte{s[0], s[1], syn, s[2], s[3]}); shape(m) != "2 1 2" {
		t.Errorf("a SYN of the flow between: %s", shape(m))
	}
}

// TestMergeGolden compares a super-packet with one written by hand.
func TestMergeGolden(t *testing.T) {
	in := stream(2, 4, at0FIN)
	m := &merger{}
	m.plan(in, 0)
	want := "01" + "01" + "2800" + "0400" + "1400" + "1000" + // needs a checksum, TCPv4, headers 40, segments of 4, TCP at 20, sum at 16
		"4500" + "0030" + "fffe" + "4000" + "4006" + "26b5" + "0a010009" + "0a020009" +
		"0fa0" + "0050" + "fffff830" + "00000007" + "5019" + "01f4" + "1437" + "0000" + "01010101" + "02020202"
	got := hex.EncodeToString(super(m, &m.runs[0], in, 0))
	if got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
}

func at0FIN(i int, p *pkt) {
	if i == 1 {
		p.flags |= tcpFIN | tcpPSH
	}
}
