package ladder

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/lab/sim"
)

// run is a minute and a half of three key servers and four members, two of them over IPv6, on a network that loses; and all keys that
// there were in it.
func run(t *testing.T) (*Capture, [][]byte) {
	t.Helper()
	cfg := sim.Config{
		Seed: 5, Members: 4, StartSpread: time.Second, IPv6: true, Network: sim.Network{Loss: 0.1, Latency: time.Millisecond, Jitter: 5 * time.Millisecond},
		Group: keyserver.Config{TEKLifetime: time.Minute, KEKLifetime: 5 * time.Minute, ActivationDelay: 5 * time.Second},
		Coop:  &sim.Coop{KeyServers: 3},
	}
	s := sim.New(cfg)
	c := Watch(s)
	var secrets [][]byte
	agreed := s.Keys
	s.Keys = func(i, r isakmp.Cookie, p suite.Phase1, k *suite.Phase1Keys) {
		agreed(i, r, p, k)
		for _, x := range [][]byte{k.SKEYID.Bytes(), k.A.Bytes(), k.CipherKey.Bytes()} {
			secrets = append(secrets, bytes.Clone(x))
		}
	}
	kek := c.decoder.kek
	c.decoder.kek = func(spi gdoi.KEKSPI) ([]byte, []byte, bool) {
		key, iv, ok := kek(spi)
		secrets = append(secrets, bytes.Clone(key))
		return key, iv, ok
	}
	s.Run(90 * time.Second)
	if v := s.Check.Violations(); len(v) > 0 {
		t.Fatal(v[0])
	}
	return c, secrets
}

// TestDecode: every message is decrypted and read, from phase 1 to rekeys and what key servers say, and no key is shown.
func TestDecode(t *testing.T) {
	c, secrets := run(t)
	titles := map[string]int{}
	var all strings.Builder
	lost := 0
	for _, d := range c.Datagrams {
		titles[strings.Fields(d.Title)[0]+" "+strings.Fields(d.Title + " .")[1]]++
		text := d.Title + d.Header + strings.Join(d.Payloads, "\n")
		if strings.Contains(text, "cannot be read") || strings.Contains(text, "encrypted under") || strings.Contains(text, "unknown") {
			t.Errorf("%v %s to %s: %s\n%s", d.At, d.From, d.To, d.Title, strings.Join(d.Payloads, "\n"))
		}
		all.WriteString(text)
		lost += d.Lost
	}
	for _, want := range []string{
		"MAIN MODE", "GROUPKEY-PULL 1", "GROUPKEY-PULL 4", "GROUPKEY-PUSH seq", "GROUPKEY-PUSH-ACK .", "COOP status", "COOP state", "COOP have", "COOP ack",
	} {
		if titles[want] == 0 {
			t.Errorf("no %s among %v", want, titles)
		}
	}
	for _, want := range []string{"SAK KEK", "SAT esp", "[secret, 48 octets]", "ATD 10 s", "ID group 000004d2", "N INITIAL-CONTACT", "follows 1 in term"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("nowhere %q", want)
		}
	}
	if lost == 0 || len(secrets) < 20 {
		t.Errorf("%d lost, %d secrets", lost, len(secrets))
	}
	for _, k := range secrets {
		if strings.Contains(all.String(), hex.EncodeToString(k[:8])) {
			t.Error("a key is shown")
		}
	}
}

// TestText: columns where there is room and names where there is none, never wider than asked for, plain where asked for.
func TestText(t *testing.T) {
	c, _ := run(t)
	for _, row := range []struct {
		st    Style
		pick  Choice
		wants []string
	}{
		{Style{Width: 80}, Choice{Kind: Pull, Nodes: []string{"gm1"}}, []string{"ks1   gm1", "│◀────│", "GROUPKEY-PULL 1", "· KD KEK"}},
		{Style{Width: 80, ASCII: true, Short: true}, Choice{Kind: Pull}, []string{"|<----", "GROUPKEY-PULL 4"}},
		{Style{Width: 60, ASCII: true}, Choice{}, []string{"gm1   --> ks1", "MAIN MODE 1"}},
		{Style{Width: 200}, Choice{Kind: Push}, []string{"GROUPKEY-PUSH seq 1", "the same octets as to gm"}},
	} {
		var b strings.Builder
		if err := c.Text(&b, c.Choose(row.pick), row.st); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > row.st.Width {
				t.Fatalf("%d columns: %q", n, line)
			}
			if row.st.ASCII && strings.ContainsFunc(line, func(r rune) bool { return r > 127 }) {
				t.Fatalf("not ASCII: %q", line)
			}
		}
		for _, w := range row.wants {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%+v: no %q in\n%.2000s", row.pick, w, b.String())
			}
		}
	}
	var b strings.Builder
	if err := c.Mermaid(&b, c.Choose(Choice{Kind: Pull, Most: 4}), Style{}); err != nil || !strings.HasPrefix(b.String(), "sequenceDiagram\n  participant ks1\n") ||
		strings.Count(b.String(), "->>") != 4 || strings.Count(b.String(), "Note over") < 3 || strings.Contains(b.String(), ";") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestPCAP: an independent reader finds the datagrams with good headers and checksums, at their times.
func TestPCAP(t *testing.T) {
	c, _ := run(t)
	var b bytes.Buffer
	if err := c.WritePCAP(&b, c.Datagrams); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(&b, pcapgo.DefaultNgReaderOptions)
	if err != nil || r.LinkType() != layers.LinkTypeRaw {
		t.Fatal(err, r.LinkType())
	}
	n, six := 0, 0
	for ; ; n++ {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(n, err)
		}
		d := c.Datagrams[n]
		first := layers.LayerTypeIPv4
		if data[0]>>4 == 6 {
			first = layers.LayerTypeIPv6
			six++
		}
		p := gopacket.NewPacket(data, first, gopacket.Default)
		udp, ok := p.TransportLayer().(*layers.UDP)
		if !ok || p.ErrorLayer() != nil {
			t.Fatalf("%d: %v", n, p)
		}
		src, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Src().Raw())
		dst, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Dst().Raw())
		if src != d.Src.Addr() || dst != d.Dst.Addr() || udp.SrcPort != 848 || udp.DstPort != 848 || !bytes.Equal(udp.Payload, d.Bytes) || !info.Timestamp.Equal(d.Wall) {
			t.Fatalf("%d: %v to %v at %v, and it was %v to %v at %v", n, src, dst, info.Timestamp, d.Src, d.Dst, d.Wall)
		}
		if err := udp.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
			t.Fatal(err)
		}
		if err, bad := p.VerifyChecksums(); err != nil || len(bad) > 0 {
			t.Fatalf("%d: checksums: %v %v", n, err, bad)
		}
	}
	if n != len(c.Datagrams) || six == 0 {
		t.Errorf("%d of %d datagrams, %d of IPv6", n, len(c.Datagrams), six)
	}
}
