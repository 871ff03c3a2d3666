package netcfg

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/packet"
)

func init() { roles["attack"] = attackRole }

// attackRole sends IPv4 packets, in hexadecimal, one a line, as they are.
func attackRole(string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		b, err := hex.DecodeString(in.Text())
		if err != nil {
			return err
		}
		if err := unix.Sendto(fd, b, 0, &unix.SockaddrInet4{Addr: [4]byte(b[16:20])}); err != nil {
			return err
		}
		fmt.Println(`"sent"`)
	}
	return nil
}

// attacker makes packets to 10.2.2.2 with the group's key or without.
type attacker struct {
	t   *testing.T
	sa  *esp.SA
	seq uint32
}

// udp is a packet from src to 10.2.2.host.
func udp(src [4]byte, host byte) []byte {
	b := make([]byte, 60)
	b[0], b[3], b[8], b[9] = 0x45, 60, 60, protoUDP
	copy(b[12:], src[:])
	copy(b[16:], []byte{10, 2, 2, host})
	binary.BigEndian.PutUint32(b[20:], 4000<<16|7)
	b[25] = 40
	binary.BigEndian.PutUint16(b[10:], packet.Checksum(b[:20]))
	return b
}

var h1 = [4]byte{10, 1, 1, 2}

// under puts an ESP packet behind a header that repeats that of outer.
func (a *attacker) under(outer, sealed []byte) []byte {
	h, err := packet.Parse(outer)
	if err != nil {
		a.t.Fatal(err)
	}
	out := make([]byte, 20, 20+len(sealed))
	packet.PutOuter(out, &h, protoESP, 20+len(sealed), 1)
	return append(out, sealed...)
}

// seal seals as sender sid.
func (a *attacker) seal(sid uint64, payload []byte, next uint8, outer []byte) []byte {
	a.seq++
	buf := make([]byte, esp.Headroom+len(payload)+esp.Tailroom)
	copy(buf[esp.Headroom:], payload)
	start, n, err := a.sa.Seal(new(esp.Context), esp.Ticket{IV: sid<<40 | uint64(a.seq), Seq: a.seq}, buf, esp.Headroom, len(payload), next)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.under(outer, buf[start:start+n])
}

// badPadding seals 2 1 where 1 2 belongs.
func (a *attacker) badPadding(sid uint64) []byte {
	a.seq++
	block, err := aes.NewCipher(testKey[:32])
	if err != nil {
		a.t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		a.t.Fatal(err)
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 0x1000), a.seq)
	iv := binary.BigEndian.AppendUint64(nil, sid<<40|uint64(a.seq))
	good := udp(h1, 2)
	sealed := gcm.Seal(append(bytes.Clone(head), iv...), append(bytes.Clone(testKey[32:]), iv...), append(bytes.Clone(good), 2, 1, 2, esp.NextIPv4), head)
	return a.under(good, sealed)
}

// TestAttackOnTheWire: everything that a stranger in the core, or a member gone bad, can send to a live member is dropped,
// and each packet is counted once, for its reason.
func TestAttackOnTheWire(t *testing.T) {
	l := newLab(t)
	gm2 := l.run("gm2", "member", memberOf("gm2", "10.2.2.1", 2))
	sa, err := esp.NewSA(0x1000, esp.AES256GCM, testKey, 24)
	if err != nil {
		t.Fatal(err)
	}
	a := &attacker{t: t, sa: sa}
	good := func() []byte { return a.seal(9, udp(h1, 2), esp.NextIPv4, udp(h1, 2)) }
	change := func(at int) []byte { b := good(); b[at] ^= 0x10; return b }
	spi := func(v uint32) []byte { b := good(); binary.BigEndian.PutUint32(b[20:], v); return b }
	const times = 5
	want := map[string]int{}
	var packets []string
	once := good()
	for _, row := range []struct {
		reason string // empty: delivered
		make   func() []byte
	}{
		{"malformed", func() []byte { return a.under(udp(h1, 2), []byte{0, 0, 0x10, 0, 0, 0}) }},
		{"malformed", func() []byte { return a.under(udp(h1, 2), good()[20:51]) }},
		{"unknown-spi", func() []byte { return spi(0) }},
		{"unknown-spi", func() []byte { return spi(255) }},
		{"unknown-spi", func() []byte { return spi(0xdeadbeef) }},
		{"auth-failed", func() []byte { return change(26) }},  // sequence number
		{"auth-failed", func() []byte { return change(35) }},  // IV
		{"auth-failed", func() []byte { return change(50) }},  // payload
		{"auth-failed", func() []byte { return change(100) }}, // ICV
		{"replay", func() []byte { b := good(); clear(b[24:28]); return b }},
		{"own-sender", func() []byte { return a.seal(2, udp(h1, 2), esp.NextIPv4, udp(h1, 2)) }},
		{"bad-next-header", func() []byte { return a.seal(9, udp(h1, 2)[20:], protoUDP, udp(h1, 2)) }},
		{"dummy", func() []byte { return a.seal(9, udp(h1, 2), esp.NextDummy, udp(h1, 2)) }},
		{"malformed", func() []byte { return a.seal(9, []byte("not an IP packet at all"), esp.NextIPv4, udp(h1, 2)) }},
		{"bad-padding", func() []byte { return a.badPadding(9) }},
		{"address-mismatch", func() []byte { return a.seal(9, udp(h1, 2), esp.NextIPv4, udp(h1, 9)) }},
		{"address-mismatch", func() []byte { return a.seal(9, udp(h1, 2), esp.NextIPv4, udp([4]byte{10, 1, 1, 3}, 2)) }},
		{"policy-mismatch", func() []byte { x := udp([4]byte{192, 0, 2, 1}, 2); return a.seal(9, x, esp.NextIPv4, x) }},
		{"", good},
	} {
		for range times {
			packets = append(packets, hex.EncodeToString(row.make()))
			if row.reason != "" {
				want[row.reason]++
			}
		}
	}
	for range times { // the first of them is genuine
		packets = append(packets, hex.EncodeToString(once))
	}
	want["replay"] += times - 1
	hears := l.run("h2", "capture", "eth0")
	from := l.run("p1", "attack", "")
	for _, p := range packets {
		if _, err := fmt.Fprintln(from.in, p); err != nil {
			t.Fatal(err)
		}
		var said string
		from.decode(&said)
	}
	drops := func() map[string]int {
		out := map[string]int{}
		list, _ := gm2.state().Engine["Drops"].([]any)
		for _, x := range list {
			c, _ := x.(map[string]any)
			name, _ := c["Name"].(string)
			n, _ := c["Count"].(float64)
			out[name] = int(n)
		}
		return out
	}
	total := func(m map[string]int) (n int) {
		for _, v := range m {
			n += v
		}
		return n
	}
	eventually(t, "every packet is accounted for", func() bool { return total(drops()) >= total(want) })
	for name, n := range drops() {
		if n != want[name] {
			t.Errorf("%d packets dropped as %s, want %d", n, name, want[name])
		}
	}
	if in, _ := gm2.state().Engine["InPackets"].(float64); int(in) != times+1 {
		t.Errorf("%v packets opened, want %d", in, times+1)
	}
	_ = hears.in.Close()
	var heard map[string]int
	hears.decode(&heard)
	for what, n := range heard {
		if !strings.HasPrefix(what, "10.1.1.2>10.2.2.2 17") || n != times+1 {
			t.Errorf("the host behind the member heard %s, %d times", what, n)
		}
	}
	if len(heard) != 1 {
		t.Errorf("heard %v", heard)
	}
}
