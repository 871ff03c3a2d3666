package engine_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/replay"
	"github.com/getvpn/getvpn/esp/spd"
)

// interopCase is what testdata/interop.py takes.
type interopCase struct {
	Do     string `json:"do"`
	Suite  string `json:"suite"`
	SPI    uint32 `json:"spi"`
	Key    string `json:"key"`
	Auth   string `json:"auth"`
	Packet string `json:"packet"`
	Seq    uint32 `json:"seq"`
	IV     string `json:"iv"`
	Pad    int    `json:"pad"`

	name  string
	inner []byte
}

type interopAnswer struct{ Packet, Error string }

// interpreter is a Python with scapy: Debian's packages are for Debian's.
func interpreter(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import scapy.layers.ipsec, cryptography").Run() == nil {
			return python
		}
	}
	t.Skip("needs scapy: apt-get install python3-scapy python3-cryptography (make test does it when root)")
	return ""
}

func ask(t *testing.T, python string, cases []interopCase) []interopAnswer {
	t.Helper()
	in, err := json.Marshal(cases)
	must(t, err)
	cmd := exec.Command(python, "testdata/interop.py")
	var errors bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errors.String())
	}
	var answers []interopAnswer
	must(t, json.Unmarshal(out, &answers))
	if len(answers) != len(cases) {
		t.Fatalf("%d answers to %d cases", len(answers), len(cases))
	}
	return answers
}

// interopMember protects both versions with a suite.
func interopMember(t *testing.T, s esp.Suite, sid uint32) member {
	t.Helper()
	m := suiteMember(t, s, sid)
	must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten, six}, Registered: true}))
	return m
}

// interopPackets are of all lengths modulo the block, both versions, with a mark of congestion, DF and without.
func interopPackets(mtu int) (out [][]byte) {
	for _, n := range []int{60, 61, 62, 63, 64, 67, 75, 128, 576, mtu - 25, mtu} {
		out = append(out, inner(17, n, df), inner(6, n), inner6(17, n))
	}
	return out
}

// trailer is what the inner packet that scapy opened may have behind it: what a sender puts there to hide its length, or for
// us to read (RFC 4303 §2.7).
func trailer(t *testing.T, got, want []byte) int {
	t.Helper()
	if !bytes.HasPrefix(got, want) {
		t.Errorf("opened %x\n  want %x", got, want)
		return -1
	}
	return len(got) - len(want)
}

// TestInterop: what an engine seals an independent implementation opens, and the other way round, in every suite and both
// versions of IP, with and without what is hidden in traffic flow confidentiality padding; and nobody opens what was
// changed on the way.
func TestInterop(t *testing.T) {
	python := interpreter(t)
	const seal, stamp = "seal", "stamped"
	var cases []interopCase
	receivers := map[string]member{}
	for i, s := range esp.Suites() {
		key := suiteKey(s)
		auth := 0
		if s.ICVLen() != esp.ICVLen || strings.Contains(s.String(), "sha") {
			auth = map[int]int{12: 20, 16: 32, 24: 48, 32: 64}[s.ICVLen()]
		}
		base := interopCase{Suite: s.String(), SPI: spi, Key: hex.EncodeToString(key[:len(key)-auth]), Auth: hex.EncodeToString(key[len(key)-auth:])}
		plain, stamped := interopMember(t, s, 1), interopMember(t, s, 2)
		must(t, stamped.SetTime("blue", &replay.Time{Base: time.Hour, Window: 10 * time.Second}, nil))
		for _, p := range interopPackets(s.InnerMax(1500, packet.IPv6HeaderLen) - 64) {
			for name, m := range map[string]member{"plain": plain, stamp: stamped} {
				c := base
				c.Do, c.name, c.inner, c.Packet = "open", name, p, hex.EncodeToString(m.sealed(t, p))
				cases = append(cases, c)
			}
		}
		changed := cases[len(cases)-1]
		b, err := hex.DecodeString(changed.Packet)
		must(t, err)
		b[len(b)-1] ^= 1
		changed.name, changed.Packet = "changed", hex.EncodeToString(b)
		cases = append(cases, changed)

		receivers[s.String()] = interopMember(t, s, 9)
		for j, p := range interopPackets(s.InnerMax(1500, packet.IPv6HeaderLen) - 64) {
			c := base
			iv := make([]byte, s.IVLen())
			if s.Counter() {
				binary.BigEndian.PutUint64(iv, 7<<40|uint64(j+1)) // sender id 7
			} else {
				for k := range iv {
					iv[k] = byte(i*31 + j*7 + k*13 + 5)
				}
			}
			c.Do, c.name, c.inner, c.Packet, c.Seq, c.IV, c.Pad = seal, seal, p, hex.EncodeToString(p), uint32(j+1), hex.EncodeToString(iv), j%4*16
			if j%5 == 4 { // hide the length, RFC 4303 §2.7
				c.Packet += strings.Repeat("00", j)
			}
			cases = append(cases, c)
		}
	}
	tails := map[string]map[int]int{}
	for i, a := range ask(t, python, cases) {
		c := &cases[i]
		id := fmt.Sprintf("%s, %s, IPv%d, %d octets", c.Suite, c.name, c.inner[0]>>4, len(c.inner))
		if (a.Error != "") != (c.name == "changed") {
			t.Errorf("%s: error %q", id, a.Error)
			continue
		}
		got, err := hex.DecodeString(a.Packet)
		must(t, err)
		switch c.name {
		case "changed":
		case seal:
			if r := receivers[c.Suite].in(got); r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), c.inner) {
				t.Errorf("%s: %+v", id, r)
			}
		default:
			if tails[c.Suite+c.name] == nil {
				tails[c.Suite+c.name] = map[int]int{}
			}
			tails[c.Suite+c.name][trailer(t, got, c.inner)]++
		}
	}
	for _, s := range esp.Suites() {
		tag := 0
		if s.IVLen() == 0 {
			tag = 8
		}
		if p, x := tails[s.String()+"plain"], tails[s.String()+stamp]; p[tag] != 33 || x[tag+esp.StampLen] != 33 {
			t.Errorf("%v: octets behind the inner packets: %v, with stamps %v", s, p, x)
		}
		if n := receivers[s.String()].Stats().InPackets; n != 33 {
			t.Errorf("%v: %d packets of the other side arrived", s, n)
		}
	}
}
