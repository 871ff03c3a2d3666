package node

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	_ "embed" // the key
	"encoding/pem"
	mrand "math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

//go:embed testdata/signing-key.pem
var signingKey []byte

// world is one key server and some members on a network without delay. Package lab/sim is the grown-up version.
type world struct {
	t       testing.TB
	now     machine.Now
	nodes   map[netip.AddrPort]machine.Machine
	order   []netip.AddrPort
	queue   []machine.Datagram // Local is the receiver
	log     []machine.Datagram // everything that was sent
	effects map[netip.AddrPort]machine.Effects
	disk    map[string]machine.Record

	lose func(machine.Datagram) bool // what the network does not deliver

	phase1Keys map[string]crypto.Signer // ECDSA keys of certificates, by name
	phase1Sign func(machine.Sign) bool  // takes a request, which then is not answered

	token *fakeToken // the key server's custody; nil: keys are in the process, and whatever is signed is signed at once
	after func()     // after each step of the key server, before its effects
	crash bool       // the key server has died in this step, and its effects with it
}

// dead is a node that does nothing.
type dead struct{}

func (dead) Step(_ machine.Now, _ machine.Event, out machine.Effects) machine.Effects { return out }
func (dead) Deadline() (machine.Instant, bool)                                        { return 0, false }

var (
	ksAddr   = netip.MustParseAddrPort("10.0.0.1:848")
	gm1      = netip.MustParseAddrPort("10.1.0.1:848")
	gm2      = netip.MustParseAddrPort("10.1.0.2:848")
	outsider = netip.MustParseAddrPort("192.0.2.1:848")

	rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
		block, _ := pem.Decode(signingKey)
		k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			panic(err)
		}
		return k
	})
	rightPSK = machine.NewSecret([]byte("right"))
	wrongPSK = machine.NewSecret([]byte("wrong"))
	blueID   = gdoi.GroupIDFromUint32(1234)
)

func phase1(psk *machine.Secret) ike1.Config {
	return ike1.Config{
		Suites: []suite.Phase1{{Cipher: suite.AES128CBC, Hash: machine.SHA256, Group: suite.ECP256, Auth: 1}},
		PSK:    func(netip.Addr) *machine.Secret { return psk },
	}
}

func accessList(t testing.TB, text string) policy.List {
	l, err := policy.ParseList(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func blue(t testing.TB) keyserver.Config {
	der, err := x509.MarshalPKIXPublicKey(&rsaKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return keyserver.Config{
		Name: "blue", ID: blueID, SignKey: "sig", SignPublic: der,
		Authorise: policy.Authorisation{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}},
		Policy:    accessList(t, "deny udp any eq 848 any eq 848\npermit ip 10.0.0.0/8 10.0.0.0/8"),
	}
}

func seeded(n byte) *machine.Env { return machine.NewEnv(mrand.NewChaCha8([32]byte{n})) }

func newWorld(t testing.TB) *world {
	return &world{
		t: t, now: machine.Now{Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, nodes: map[netip.AddrPort]machine.Machine{},
		effects: map[netip.AddrPort]machine.Effects{}, disk: map[string]machine.Record{},
	}
}

func (w *world) add(a netip.AddrPort, m machine.Machine, err error) {
	if err != nil {
		w.t.Fatal(err)
	}
	if w.nodes[a] == nil {
		w.order = append(w.order, a)
	}
	w.nodes[a] = m
}

// stored is what a key server finds on its disk.
func stored(disk map[string]machine.Record) (out []machine.Record) {
	for _, r := range disk {
		r.Value = bytes.Clone(r.Value)
		out = append(out, r)
	}
	return out
}

// signRSA is the answer of a custody that has this key.
func signRSA(k *rsa.PrivateKey, e machine.Sign) machine.Signed {
	hash := crypto.SHA256
	if e.Scheme == machine.SignRSABare {
		hash = 0
	}
	sig, err := rsa.SignPKCS1v15(nil, k, hash, e.Digest)
	return machine.Signed{ID: e.ID, Signature: sig, Err: err}
}

func (w *world) keyServer(limits Limits, groups ...keyserver.Config) *KeyServer {
	n, err := NewKeyServer(seeded(0), KSConfig{Local: ksAddr, Phase1: phase1(rightPSK), Groups: groups, Limits: limits}, stored(w.disk))
	w.add(ksAddr, n, err)
	return n
}

func (w *world) member(a netip.AddrPort, psk *machine.Secret, groups ...member.Config) *GroupMember {
	if groups == nil {
		groups = []member.Config{{Name: "blue", ID: blueID, KeyServers: []netip.AddrPort{ksAddr}}}
	}
	b := a.Addr().As16()
	n, err := NewGroupMember(seeded(b[15]+byte(len(w.log))), GMConfig{Local: a, Phase1: phase1(psk), Groups: groups})
	w.add(a, n, err)
	return n
}

// step gives a node an event and carries out the effects.
func (w *world) step(a netip.AddrPort, ev machine.Event) {
	out := w.nodes[a].Step(w.now, ev, nil)
	if w.after != nil && a == ksAddr {
		w.after()
		if w.crash {
			w.crash, out = false, nil
		}
	}
	for _, e := range out {
		w.effects[a] = append(w.effects[a], e)
		switch e := e.(type) {
		case machine.Send:
			from := a
			if e.Local.IsValid() {
				from = e.Local // of a node with two
			}
			w.log = append(w.log, machine.Datagram{Local: e.Remote, Remote: from, Bytes: e.Bytes})
			w.queue = append(w.queue, machine.Datagram{Local: e.Remote, Remote: from, Bytes: e.Bytes})
		case machine.Persist:
			for _, r := range e.Records {
				if w.disk[r.Bucket+"/"+r.Key] = r; r.Value == nil {
					delete(w.disk, r.Bucket+"/"+r.Key)
				}
			}
			w.step(a, machine.Persisted{ID: e.ID})
		case machine.KeyCall:
			w.token.call(w.now, e)
		case machine.Sign:
			if w.token != nil {
				w.token.sign(w.now, e)
				continue
			}
			if w.phase1Sign != nil && w.phase1Sign(e) {
				continue
			}
			if k := w.phase1Keys[e.Key]; k != nil {
				sig, err := signECDSA(k, e.Digest)
				w.step(a, machine.Signed{ID: e.ID, Signature: sig, Err: err})
				continue
			}
			w.step(a, signRSA(rsaKey(), e))
		}
	}
}

// drain delivers until nothing is under way.
func (w *world) drain() {
	for len(w.queue) > 0 {
		d := w.queue[0]
		w.queue = w.queue[1:]
		if w.nodes[d.Local] != nil && (w.lose == nil || !w.lose(d)) {
			w.step(d.Local, d)
		}
	}
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Mono.Add(d)
	for {
		w.drain()
		var next machine.Next
		var who netip.AddrPort
		for _, a := range w.order {
			if at, ok := w.nodes[a].Deadline(); ok && (!next.OK || at < next.At) {
				next, who = machine.Next{At: at, OK: true}, a
			}
		}
		if at, ok := w.token.deadline(); ok && (!next.OK || at <= next.At) {
			next, who = machine.Next{At: at, OK: true}, netip.AddrPort{}
		}
		if !next.OK || next.At > end {
			break
		}
		w.advance(max(next.At, w.now.Mono))
		if !who.IsValid() && w.nodes[ksAddr] == (dead{}) {
			w.token.answers = nil // to nobody
			continue
		}
		if !who.IsValid() {
			w.step(ksAddr, w.token.answer())
			continue
		}
		w.step(who, machine.Timeout{})
	}
	w.advance(end)
}

func (w *world) advance(to machine.Instant) {
	w.now = machine.Now{Mono: to, Wall: w.now.WallAt(to)}
}

// notes counts the journal events of a node by name.
func (w *world) notes(a netip.AddrPort, name string) (n int) {
	for _, e := range w.effects[a] {
		if e, ok := e.(machine.Note); ok && e.Name == name {
			n++
		}
	}
	return n
}

func (w *world) wantNotes(a netip.AddrPort, name string, want int) {
	w.t.Helper()
	if got := w.notes(a, name); got != want {
		w.t.Errorf("%v: %d events %s; want %d", a, got, name, want)
	}
}

func drops(list []Drop, reason string) uint64 {
	for _, d := range list {
		if d.Reason == reason {
			return d.Count
		}
	}
	return 0
}
