package ike1

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

const mainModeMessages = 6

func TestEverySuite(t *testing.T) {
	for _, c := range []suite.Cipher{suite.AES128CBC, suite.AES256CBC} {
		for _, h := range []machine.Hash{machine.SHA1, machine.SHA256, machine.SHA384, machine.SHA512} {
			for _, g := range []suite.Group{suite.MODP2048, suite.ECP256, suite.ECP384} {
				p := suite.Phase1{Cipher: c, Hash: h, Group: g, Auth: suite.AuthPSK}
				t.Run(p.String(), func(t *testing.T) {
					m, s := config(), config()
					m.Suites, s.Suites = []suite.Phase1{p}, []suite.Phase1{p}
					w := newWire(t, m, s).start().run(time.Second)
					w.established()
					if len(w.log) != mainModeMessages || w.member.Suite() != p {
						t.Errorf("%d messages, suite %s", len(w.log), w.member.Suite())
					}
				})
			}
		}
	}
}

func TestWhatBothSidesKnow(t *testing.T) {
	m, s := config(), config()
	m.Local = isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte("gm1.example")}
	m.VendorIDs = [][]byte{[]byte("one more")}
	w := newWire(t, m, s)
	if w.member.State() != StateIdle || !w.member.Initiator() || w.member.Local() != memberAddr || w.member.Remote() != serverAddr {
		t.Error("new initiator")
	}
	w.start().run(time.Second).established()
	if got := w.server.PeerID(); got.IDType != isakmp.IDFQDN || string(got.Data) != "gm1.example" {
		t.Errorf("server knows the member as %v", got)
	}
	if got := w.member.PeerID(); got.IDType != isakmp.IDIPv4Addr || !bytes.Equal(got.Data, []byte{10, 0, 0, 1}) {
		t.Errorf("member knows the server as %v", got)
	}
	for _, v := range [][]byte{isakmp.VendorIDDPD, isakmp.VendorIDGetVPN} {
		if !w.member.PeerVendor(v) || !w.server.PeerVendor(v) {
			t.Errorf("vendor id %x", v)
		}
	}
	if !w.server.PeerVendor([]byte("one more")) || w.member.PeerVendor([]byte("one more")) {
		t.Error("configured vendor id")
	}
	if !w.server.SawInitialContact() || w.member.SawInitialContact() {
		t.Error("INITIAL-CONTACT goes with message 5 only")
	}
	if w.server.Initiator() {
		t.Error("the server is no initiator")
	}
	m.OmitInitialContact = true
	w = newWire(t, m, s).start().run(time.Second)
	w.established()
	if w.server.SawInitialContact() {
		t.Error("INITIAL-CONTACT although omitted")
	}
}

// Each datagram lost, once or three times in a row: the initiator's timer brings all of them back.
func TestLoss(t *testing.T) {
	for n := range mainModeMessages {
		for _, times := range []int{1, 3} {
			t.Run(fmt.Sprintf("message %d lost %d times", n+1, times), func(t *testing.T) {
				w := newWire(t, config(), config())
				lost := 0
				var victim []byte
				w.path = func(i int, p packet) []packet {
					if i == n {
						victim = p.b
					}
					if victim != nil && bytes.Equal(p.b, victim) && lost < times {
						lost++
						return nil
					}
					return []packet{p}
				}
				w.start().run(30 * time.Second).established()
				if lost != times {
					t.Errorf("lost %d", lost)
				}
			})
		}
	}
}

// Each datagram twice, at once or late, and each one delayed beyond its retransmission. A responder that computed
// twice would answer with other octets, and the sides would not agree.
func TestDuplicateAndReorder(t *testing.T) {
	for n := range mainModeMessages {
		for name, fate := range map[string]func(p packet) []packet{
			"twice":       func(p packet) []packet { return []packet{p, p} },
			"again late":  func(p packet) []packet { q := p; q.at = q.at.Add(700 * time.Millisecond); return []packet{p, q} },
			"delayed 4 s": func(p packet) []packet { p.at = p.at.Add(4 * time.Second); return []packet{p} },
		} {
			t.Run(fmt.Sprintf("message %d %s", n+1, name), func(t *testing.T) {
				w := newWire(t, config(), config())
				w.path = func(i int, p packet) []packet {
					if i == n {
						return fate(p)
					}
					return []packet{p}
				}
				w.start().run(40 * time.Second).established()
				answers := map[int][]byte{} // length identifies the kind: 2, 4 and 6 differ
				for _, p := range w.log {
					if before, ok := answers[len(p.b)]; ok && !p.toServer && !bytes.Equal(before, p.b) {
						t.Error("a repeated answer differs from the first")
					} else if !p.toServer {
						answers[len(p.b)] = p.b
					}
				}
			})
		}
	}
}

// A whole network: every datagram lost with probability 1/3, doubled, delayed; whatever happens, the sides never end
// up established with different keys, and mostly they get there.
func TestBadNetwork(t *testing.T) {
	const rounds = 60
	good := 0
	for seed := range byte(rounds) {
		w := newWire(t, config(), config())
		r := env(seed + 100)
		w.path = func(_ int, p packet) []packet {
			var ps []packet
			for range r.Uint32() % 3 {
				q := p
				q.at = q.at.Add(time.Duration(r.Uint32()%4000) * time.Millisecond)
				ps = append(ps, q)
			}
			return ps
		}
		w.start().run(2 * time.Minute)
		if w.member.State() == StateEstablished {
			good++
			w.established()
		}
	}
	if good < rounds*8/10 {
		t.Errorf("%d of %d established", good, rounds)
	}
}

// before brings a fresh pair to the point where message n (from 0) is about to arrive, and returns it.
func before(t testing.TB, n int) (w *wire, toServer bool, msg []byte) {
	t.Helper()
	w = newWire(t, config(), config())
	w.path = func(i int, p packet) []packet {
		if i == n {
			toServer, msg = p.toServer, p.b
			return nil
		}
		return []packet{p}
	}
	w.start().run(500 * time.Millisecond)
	if msg == nil {
		t.Fatalf("message %d was not sent", n+1)
	}
	w.path = nil
	return w, toServer, msg
}

// One bit wrong anywhere in any message: what is refused leaves the session as it was, so that the genuine message
// still works; what cannot be recognised (an altered nonce) never leads to an agreement on wrong keys.
func TestBitFlip(t *testing.T) {
	for n := range mainModeMessages {
		t.Run(fmt.Sprintf("message %d", n+1), func(t *testing.T) {
			_, _, genuine := before(t, n)
			refused := 0
			for i := range genuine {
				w, toServer, msg := before(t, n)
				bad := bytes.Clone(msg)
				bad[i] ^= 1 << (i % 8)
				err := w.deliver(toServer, bad)
				if err != nil {
					refused++
					_ = w.deliver(toServer, msg)
					w.run(time.Second).established()
					continue
				}
				_ = w.deliver(toServer, msg)
				w.run(2 * time.Minute)
				if w.member.State() == StateEstablished && w.server.State() == StateEstablished && !w.agree() {
					t.Fatalf("octet %d: established with different keys", i)
				}
			}
			t.Logf("%d of %d refused at once", refused, len(genuine))
			if n >= 4 && refused < len(genuine)-suite.BlockLen*3 {
				t.Errorf("only %d of %d altered proofs were refused", refused, len(genuine))
			}
		})
	}
}

func TestTruncation(t *testing.T) {
	for n := range mainModeMessages {
		w, toServer, msg := before(t, n)
		for l := range msg {
			if err := w.deliver(toServer, msg[:l]); err == nil {
				t.Errorf("message %d cut to %d octets is accepted", n+1, l)
			}
			cut := bytes.Clone(msg[:l])
			if l >= isakmp.HeaderLen { // and with a header that fits
				isakmp.SetLength(cut)
				if err := w.deliver(toServer, cut); err == nil {
					t.Errorf("message %d cut to %d octets with its length is accepted", n+1, l)
				}
			}
		}
		_ = w.deliver(toServer, msg)
		w.run(time.Second).established()
	}
}

func TestWrongPSK(t *testing.T) {
	m, s := config(), config()
	m.PSK = psk("another")
	w := newWire(t, m, s).start().run(time.Second)
	if got := last(w.serverErr); got != ReasonAuth || w.server.State() != StateSentKE {
		t.Fatalf("server: %v in state %s", w.serverErr, w.server.State())
	}
	if !strings.Contains(w.serverErr[0].Error(), "pre-shared key") {
		t.Errorf("the text does not say what to check: %v", w.serverErr[0])
	}
	if w.member.LastHint() != isakmp.AuthenticationFailed || w.member.State() != StateSentAuth {
		t.Errorf("member: hint %s, state %s", w.member.LastHint(), w.member.State())
	}
	w.run(2 * time.Minute)
	for name, c := range map[string]struct {
		s    *Session
		errs []error
	}{"member": {w.member, w.memberErr}, "server": {w.server, w.serverErr}} {
		if c.s.State() != StateDead || c.s.DeadReason() != ReasonAuth || last(c.errs) != ReasonAuth {
			t.Errorf("%s: %s %s %v", name, c.s.State(), c.s.DeadReason(), c.errs)
		}
	}
	// One hint, however often message 5 comes; nothing else answers it.
	toMember := 0
	for _, p := range w.log {
		if !p.toServer {
			toMember++
		}
	}
	if toMember != 3 {
		t.Errorf("the server sent %d messages, want 2, 4 and one hint", toMember)
	}
}

func TestNoPSK(t *testing.T) {
	m, s := config(), config()
	s.PSK = func(netip.Addr) *machine.Secret { return nil }
	w := newWire(t, m, s).start().run(time.Minute)
	if w.server != nil || reasonOf(w.serverErr[0]) != ReasonNoPSK || len(w.log) != Transmissions || last(w.memberErr) != ReasonTimeout {
		t.Errorf("a stranger: %v, %d messages, %v", w.serverErr, len(w.log), w.memberErr)
	}
	m.PSK = nil
	w = newWire(t, m, config()).start().run(time.Minute)
	if w.member.DeadReason() != ReasonNoPSK {
		t.Errorf("member without key: %s", w.member.DeadReason())
	}
}

func TestIdentity(t *testing.T) {
	spoof := AddressID(netip.MustParseAddr("10.1.0.77"))
	subnet := isakmp.ID{IDType: isakmp.IDIPv4Subnet, Data: []byte{10, 0, 0, 0, 255, 0, 0, 0}}
	port := AddressID(memberAddr.Addr())
	port.Protocol, port.Port = 6, 22
	refuse := func(netip.Addr, isakmp.ID) bool { return false }
	for _, c := range []struct {
		name           string
		member, server func(*Config)
		dead           string // who dies of it
	}{
		{"member claims another address", func(m *Config) { m.Local = spoof }, nil, "server"},
		{"server claims another address", nil, func(s *Config) { s.Local = spoof }, "member"},
		{"subnet", func(m *Config) { m.Local = subnet }, nil, "server"},
		{"tcp port 22", func(m *Config) { m.Local = port }, nil, "server"},
		{"server refuses", nil, func(s *Config) { s.AcceptID = refuse }, "server"},
		{"member refuses", func(m *Config) { m.AcceptID = refuse }, nil, "member"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, s := config(), config()
			if c.member != nil {
				c.member(m)
			}
			if c.server != nil {
				c.server(s)
			}
			w := newWire(t, m, s).start().run(time.Second)
			dead := map[string]*Session{"member": w.member, "server": w.server}[c.dead]
			if dead.State() != StateDead || dead.DeadReason() != ReasonIdentity {
				t.Fatalf("%s is %s (%s)", c.dead, dead.State(), dead.DeadReason())
			}
			w.run(2 * time.Minute)
			if c.dead == "server" && w.member.DeadReason() != ReasonIdentity {
				t.Errorf("member ends with %s, want the server's hint", w.member.DeadReason())
			}
		})
	}
	key := config()
	key.Local = isakmp.ID{IDType: isakmp.IDKeyID, Protocol: 17, Port: 848, Data: []byte{1, 2}}
	newWire(t, key, config()).start().run(time.Second).established()
}

func TestHalfOpenEnds(t *testing.T) {
	w, _, _ := before(t, 2) // message 3 never arrives
	w.path = func(int, packet) []packet { return nil }
	w.run(HalfOpenLife + time.Second)
	if w.server.State() != StateDead || w.server.DeadReason() != ReasonTimeout || w.member.DeadReason() != ReasonTimeout {
		t.Errorf("server %s %s, member %s", w.server.State(), w.server.DeadReason(), w.member.DeadReason())
	}
	if err := w.deliver(true, []byte("x")); reasonOf(err) != ReasonDead {
		t.Errorf("message for a dead session: %v", err)
	}
	if _, ok := w.server.Deadline(); ok {
		t.Error("a dead session has a deadline")
	}
}

// The retransmission schedule is a promise to operators: 0, 1, 3, 7, 15 s, and the end at 31 s.
func TestRetransmissionSchedule(t *testing.T) {
	w := newWire(t, config(), config())
	var at []time.Duration
	w.path = func(_ int, _ packet) []packet {
		at = append(at, w.now.Mono.Sub(0))
		return nil
	}
	w.start().run(time.Minute)
	want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second}
	if fmt.Sprint(at) != fmt.Sprint(want) {
		t.Errorf("sent at %v, want %v", at, want)
	}
	for _, p := range w.log {
		if !bytes.Equal(p.b, w.log[0].b) {
			t.Error("a retransmission differs")
		}
	}
	if last(w.memberErr) != ReasonTimeout {
		t.Errorf("%v", w.memberErr)
	}
}
