package node_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	mrand "math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

var (
	ksA  = netip.MustParseAddrPort("10.0.0.1:848")
	gmA  = netip.MustParseAddrPort("10.1.0.1:848")
	key  *rsa.PrivateKey
	wall = time.Unix(1_800_000_000, 0)
)

func init() { key, _ = rsa.GenerateKey(rand.Reader, 2048) }

func p1() ike1.Config {
	s, _ := suite.ParsePhase1("aes128-sha256-ecp256")
	return ike1.Config{Suites: []suite.Phase1{s}, PSK: func(netip.Addr) *machine.Secret { return machine.NewSecret([]byte("psk of the test")) }}
}

type world struct {
	t      testing.TB
	now    machine.Now
	ks, gm machine.Machine
	log    [][]byte
	toKS   []bool
	notes  []machine.Note
	inst   []gdoi.InstallSA
	drop   func(b []byte, toKS bool) bool
}

func newWorld(t testing.TB, auth policy.Authorisation, edit func(*node.GMConfig)) *world {
	der, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
	pol, err := policy.ParseList("deny udp any eq 848 any eq 848\npermit ip 10.0.0.0/8 10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	if auth == nil {
		auth = policy.Authorisation{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}
	}
	w := &world{t: t, now: machine.Now{Wall: wall}}
	ks, err := node.NewKeyServer(machine.NewEnv(mrand.NewChaCha8([32]byte{1})), node.KSConfig{Local: ksA, Phase1: p1(), Groups: []keyserver.Config{{
		Name: "blue", ID: gdoi.GroupIDFromUint32(1234), Authorise: auth, Policy: pol, SignKey: "k", SignPublic: der,
	}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	gc := node.GMConfig{Local: gmA, Phase1: p1(), Groups: []member.Config{{Name: "blue", ID: gdoi.GroupIDFromUint32(1234), KeyServers: []netip.AddrPort{ksA}}}}
	if edit != nil {
		edit(&gc)
	}
	gm, err := node.NewGroupMember(machine.NewEnv(mrand.NewChaCha8([32]byte{2})), gc)
	if err != nil {
		t.Fatal(err)
	}
	w.ks, w.gm = ks, gm
	return w
}

func (w *world) do(out machine.Effects) {
	for len(out) > 0 {
		e := out[0]
		out = out[1:]
		switch e := e.(type) {
		case machine.Send:
			toKS := e.Remote == ksA
			w.log = append(w.log, bytes.Clone(e.Bytes))
			w.toKS = append(w.toKS, toKS)
			if w.drop != nil && w.drop(e.Bytes, toKS) {
				continue
			}
			switch e.Remote {
			case ksA:
				out = w.ks.Step(w.now, machine.Datagram{Local: ksA, Remote: e.Local, Bytes: e.Bytes}, out)
			case gmA:
				out = w.gm.Step(w.now, machine.Datagram{Local: gmA, Remote: e.Local, Bytes: e.Bytes}, out)
			}
		case machine.Persist:
			out = w.ks.Step(w.now, machine.Persisted{ID: e.ID}, out)
		case machine.Sign:
			sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, e.Digest)
			out = w.ks.Step(w.now, machine.Signed{ID: e.ID, Signature: sig, Err: err}, out)
		case machine.Note:
			w.notes = append(w.notes, e)
		case gdoi.InstallSA:
			w.inst = append(w.inst, e)
		}
	}
}

func (w *world) run(d time.Duration) {
	end := w.now.Mono.Add(d)
	for range 100000 {
		at, ok := machine.Instant(0), false
		for _, m := range []machine.Machine{w.ks, w.gm} {
			a, o := m.Deadline()
			at, ok = machine.Earliest(at, ok, a, o)
		}
		if !ok || at > end {
			break
		}
		if at > w.now.Mono {
			w.now.Wall = w.now.WallAt(at)
			w.now.Mono = at
		}
		w.do(w.ks.Step(w.now, machine.Timeout{}, nil))
		w.do(w.gm.Step(w.now, machine.Timeout{}, nil))
	}
	w.now.Wall = w.now.WallAt(end)
	w.now.Mono = end
}

func (w *world) registered() bool { return len(w.inst) > 0 }

// message1 is a first message of somebody, from a template with another cookie.
func message1(t testing.TB, n uint32) []byte {
	c := p1()
	s := ike1.NewInitiator(machine.NewEnv(mrand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16), 77})), &c, gmA, ksA)
	return s.Start(machine.Now{}, nil)[0].(machine.Send).Bytes
}

// Off path: 8 forged first messages with the member's source address, repeated every minute.
func TestSpoofedSourceBlocksMember(t *testing.T) {
	w := newWorld(t, nil, nil)
	n := uint32(0)
	forge := func(k int) {
		for range k {
			n++
			from := netip.AddrPortFrom(gmA.Addr(), uint16(10000+n))
			w.ks.Step(w.now, machine.Datagram{Local: ksA, Remote: from, Bytes: message1(t, n)}, nil)
		}
	}
	w.ks.Step(w.now, machine.Timeout{}, nil)
	for range 600 {
		forge(8)
		w.run(500 * time.Millisecond) // 16 forged datagrams a second
	}
	if !w.registered() {
		s := w.ks.(*node.KeyServer).Snapshot(w.now)
		t.Logf("member sent %d datagrams, half-open %d, forged %d", len(w.log), s.HalfOpen, n)
		t.Errorf("the member could not register for 5 minutes; %+v", w.ks.(*node.KeyServer).Snapshot(w.now).Drops)
	}
}

func TestYoungGrows(t *testing.T) {
	w := newWorld(t, nil, nil)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	tmpl := message1(t, 1)
	round := func(k int) {
		for i := range 200 {
			b := bytes.Clone(tmpl)
			b[0], b[1], b[2] = byte(k), byte(k>>8), byte(i)
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, byte(i), 1}), 848)
			w.ks.Step(w.now, machine.Datagram{Local: ksA, Remote: from, Bytes: b}, nil)
		}
		w.now.Mono = w.now.Mono.Add(63 * time.Second)
		w.now.Wall = w.now.Wall.Add(63 * time.Second)
		w.ks.Step(w.now, machine.Timeout{}, nil)
	}
	for k := range 5 {
		round(k)
	}
	a := heap()
	for k := range 50 {
		round(k + 5)
	}
	b := heap()
	s := w.ks.(*node.KeyServer).Snapshot(w.now)
	t.Logf("half-open %d, heap %d -> %d", s.HalfOpen, a, b)
	if s.HalfOpen == 0 && b > a+2<<20 {
		t.Errorf("%d octets leaked over 10000 expired negotiations", b-a)
	}
}

func TestShortFQDN(t *testing.T) {
	w := newWorld(t, policy.Authorisation{{ID: "hub1"}}, func(c *node.GMConfig) {
		c.Phase1.Local = isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte("hub1")}
	})
	w.run(time.Minute)
	if !w.registered() {
		t.Errorf("FQDN identity hub1 is not authorised by identity: hub1")
		for _, n := range w.notes {
			if n.Name == gdoi.NoteNotAuthorised {
				t.Log(n.Text)
				break
			}
		}
	}
}

// Whoever recorded a session plays every datagram again, to both sides, changed or not.
func TestReplayEverything(t *testing.T) {
	w := newWorld(t, nil, nil)
	w.run(2 * time.Hour)
	log, toKS := w.log, w.toKS
	r := mrand.New(mrand.NewPCG(1, 2))
	inst := len(w.inst)
	in, outB := 0, 0
	notes := len(w.notes)
	for round := range 300 {
		for i, b := range log {
			c := bytes.Clone(b)
			if round > 3 {
				for range 1 + r.IntN(3) {
					c[r.IntN(len(c))] ^= byte(1 << r.IntN(8))
				}
				switch r.IntN(8) {
				case 0:
					c = c[:r.IntN(len(c))]
				case 1:
					c[18] = []byte{2, 4, 5, 32, 33, 35}[r.IntN(6)]
				case 2:
					copy(c[20:24], []byte{0, 0, 0, 0})
				case 3:
					copy(c[8:16], make([]byte, 8))
				}
				if len(c) >= 28 && r.IntN(2) == 0 {
					isakmp.SetLength(c)
				}
			}
			in += len(c)
			m, l, rem := w.gm, gmA, ksA
			if toKS[i] != (r.IntN(10) == 0) {
				m, l, rem = w.ks, ksA, gmA
			}
			for _, e := range m.Step(w.now, machine.Datagram{Local: l, Remote: rem, Bytes: c}, nil) {
				switch e := e.(type) {
				case machine.Send:
					outB += len(e.Bytes)
				case gdoi.InstallSA, gdoi.RetireSA, machine.Persist, gdoi.SetPolicy, gdoi.ActivateSA:
					t.Errorf("round %d message %d: effect %T", round, i, e)
				case machine.Note:
					notes++
				}
			}
		}
		w.now.Mono = w.now.Mono.Add(time.Millisecond)
	}
	t.Logf("%d messages, in %d octets, out %d octets, installs %d, notes %d", len(log), in, outB, inst, notes)
	if outB > in/2 {
		t.Errorf("amplified")
	}
	w.run(3 * time.Hour)
	if len(w.inst) <= inst {
		t.Error("no rekey after that")
	}
}

// One authorised member asks for all 256 sender ids of an 8-bit space, again and again.
func TestSenderIDExhaustion(t *testing.T) {
	w := newWorld(t, nil, func(c *node.GMConfig) { c.Groups[0].SIDs = 256 })
	der, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
	pol, _ := policy.ParseList("permit ip 10.0.0.0/8 10.0.0.0/8")
	ks, err := node.NewKeyServer(machine.NewEnv(mrand.NewChaCha8([32]byte{1})), node.KSConfig{Local: ksA, Phase1: p1(), Groups: []keyserver.Config{{
		Name: "blue", ID: gdoi.GroupIDFromUint32(1234), Authorise: policy.Authorisation{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}, Policy: pol, SignKey: "k", SignPublic: der, SIDBits: 8,
	}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.ks = ks
	w.run(10 * time.Second)
	resets := 0
	for i := range 10 {
		w.do(w.gm.Step(w.now, gdoi.CmdReregister{Group: "blue", ID: uint64(i)}, nil))
		w.run(10 * time.Second)
	}
	for _, n := range w.notes {
		if n.Name == gdoi.NoteGroupReset {
			resets++
		}
	}
	if resets > 1 {
		t.Errorf("%d group resets in 100 s by one member", resets)
	}
}

func TestTimeJumps(t *testing.T) {
	w := newWorld(t, nil, nil)
	r := mrand.New(mrand.NewPCG(3, 4))
	for range 300 {
		w.run(time.Duration(r.Int64N(int64(20 * time.Minute))))
		w.now.Wall = w.now.Wall.Add(time.Duration(r.Int64N(int64(48*time.Hour))) - 24*time.Hour)
		if r.IntN(4) == 0 {
			w.now.Mono -= machine.Instant(r.Int64N(int64(time.Minute)))
		}
	}
	w.run(2 * time.Hour)
	w.inst = nil
	w.run(2 * time.Hour)
	if !w.registered() {
		t.Error("no new keys in 2 hours after the jumps")
	}
}

// Identities without number: does the list of members have a limit?
func TestMemberListGrows(t *testing.T) {
	w := newWorld(t, nil, nil)
	for i := range 300 {
		w2 := newWorld(t, nil, func(c *node.GMConfig) {
			c.Local = netip.AddrPortFrom(gmA.Addr(), uint16(20000+i))
			c.Phase1.Local = isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte("name" + string(rune('a'+i%26)) + string(rune('a'+i/26)))}
		})
		gm := w2.gm
		local := netip.AddrPortFrom(gmA.Addr(), uint16(20000+i))
		out := gm.Step(w.now, machine.Timeout{}, nil)
		for len(out) > 0 {
			e := out[0]
			out = out[1:]
			switch e := e.(type) {
			case machine.Send:
				if e.Remote == ksA {
					out = w.ks.Step(w.now, machine.Datagram{Local: ksA, Remote: e.Local, Bytes: e.Bytes}, out)
				} else if e.Remote == local {
					out = gm.Step(w.now, machine.Datagram{Local: local, Remote: ksA, Bytes: e.Bytes}, out)
				}
			case machine.Persist:
				out = w.ks.Step(w.now, machine.Persisted{ID: e.ID}, out)
			}
		}
	}
	if n := len(w.ks.(*node.KeyServer).Snapshot(w.now).Groups[0].Members); n > 64 {
		t.Errorf("%d members from one address with one key", n)
	}
}
