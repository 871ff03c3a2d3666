package keyserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	_ "embed" // the key
	"encoding/pem"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
)

//go:embed testdata/signing-key.pem
var signingKey []byte

var local = netip.MustParseAddrPort("10.0.0.1:848")

func rsaKey(t testing.TB) *rsa.PrivateKey {
	block, _ := pem.Decode(signingKey)
	k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testConfig(t testing.TB) Config {
	der, err := x509.MarshalPKIXPublicKey(&rsaKey(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	l, err := policy.ParseList("permit ip 10.0.0.0/8 10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Name: "blue", ID: gdoi.GroupIDFromUint32(1), SignKey: "sig", SignPublic: der, Policy: l,
		Authorise: policy.Authorisation{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}},
	}
}

// records counts what is written besides the key tree.
func (s *shell) records() (n int) {
	for k := range s.disk {
		if !strings.HasPrefix(k, "lkh") {
			n++
		}
	}
	return n
}

// shell runs one group: it writes and signs at once, and keeps what happens.
type shell struct {
	t     testing.TB
	g     *Group
	now   machine.Now
	disk  map[string]machine.Record
	out   machine.Effects // everything so far
	mute  bool            // the custody does not answer
	copy  bool            // the group does not take over when it starts
	held  bool            // what waits for other key servers is not let go
	lives byte
	vault *vault                       // nil: the custody of KEKs does not answer
	keys  map[string]*ecdsa.PrivateKey // all others are the one RSA key
	// custody answers calls; nil: nobody does.
	custody func(machine.KeyCall) error
}

// memberKey is the newest KEK as a member has it.
func (s *shell) memberKey() *push.Key {
	s.t.Helper()
	k, err := push.KeyFromOffer(s.g.offer(s.now).KEK)
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

// opened is the last message that went out under a KEK after that number, as a member reads it; nil: there was none.
func (s *shell) opened(k *push.Key, after uint32) (last *push.Message) {
	for _, e := range s.out {
		if e, ok := e.(machine.Send); ok {
			if m, err := push.Open(k, after, e.Bytes); err == nil {
				last = m
			}
		}
	}
	return last
}

func newShell(t testing.TB, cfg Config) *shell {
	s := &shell{t: t, now: machine.Now{Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, disk: map[string]machine.Record{}}
	s.start(cfg)
	return s
}

// start begins a life from the disk.
func (s *shell) start(cfg Config) {
	s.t.Helper()
	s.lives++
	g, err := New(machine.NewEnv(rand.NewChaCha8([32]byte{s.lives})), cfg, machine.Locals{First: local})
	if err != nil {
		s.t.Fatal(err)
	}
	s.g = g
	var stored []machine.Record
	for _, r := range s.disk {
		stored = append(stored, r)
	}
	s.do(g.Start(s.now, stored, nil))
	if cfg.Coop != nil && !s.copy {
		s.do(g.TakeOver(s.now, uint64(s.lives), nil))
	}
}

func (s *shell) do(out machine.Effects) {
	s.out = append(s.out, out...)
	defer func() {
		if s.g.Active() && s.g.cfg.Coop != nil && !s.held && s.g.replica.confirmed < s.g.Head() {
			s.do(s.g.Replicated(s.now, math.MaxUint64, nil))
		}
	}()
	for _, e := range out {
		switch e := e.(type) {
		case machine.Persist:
			for _, r := range e.Records {
				if s.disk[r.Key] = r; r.Value == nil {
					delete(s.disk, r.Key)
				}
			}
			more, mine := s.g.Persisted(s.now, machine.Persisted{ID: e.ID}, nil)
			if !mine {
				s.t.Errorf("Persist %d is answered and nobody wants it", e.ID)
			}
			s.do(more)
		case machine.Sign:
			if s.mute {
				continue
			}
			sig, err := s.sign(e)
			more, _ := s.g.Signed(s.now, machine.Signed{ID: e.ID, Signature: sig, Err: err}, nil)
			s.do(more)
		case machine.KeyCall:
			if s.custody == nil {
				s.keyCall(e)
				continue
			}
			more, mine := s.g.KeyDone(s.now, machine.KeyDone{ID: e.ID, Err: s.custody(e)}, nil)
			if !mine {
				s.t.Errorf("the call %d is answered and nobody wants it", e.ID)
			}
			s.do(more)
		}
	}
}

func (s *shell) sign(e machine.Sign) ([]byte, error) {
	if k := s.keys[e.Key]; k != nil {
		return signECDSA(k, e)
	}
	return rsa.SignPKCS1v15(nil, rsaKey(s.t), crypto.SHA256, e.Digest)
}

// run lets time pass.
func (s *shell) run(d time.Duration) {
	end := s.now.Mono.Add(d)
	for {
		at, ok := s.g.Deadline()
		if !ok || at > end {
			break
		}
		s.advance(max(at, s.now.Mono))
		s.do(s.g.Timeout(s.now, nil))
	}
	s.advance(end)
}

func (s *shell) advance(to machine.Instant) {
	s.now = machine.Now{Mono: to, Wall: s.now.WallAt(to)}
}

func testPeer(i byte) Peer {
	a := netip.AddrFrom4([4]byte{10, 1, 0, i})
	return Peer{Addr: netip.AddrPortFrom(a, 848), IDType: 1, Identity: a.String(), GetVPN: true}
}

// register is a registration without the exchange.
func (s *shell) register(p Peer, sids int) ([]gdoi.SID, error) {
	offer, out, err := s.g.Policy(s.now, p, nil)
	s.do(out)
	if err != nil || offer == nil {
		return nil, err
	}
	var given []gdoi.SID
	s.do(s.g.WithKEK(s.now, func(now machine.Now, told error, out machine.Effects) machine.Effects {
		if err = told; err != nil {
			return out
		}
		var o *pull.Offer
		if o, _, out, err = s.g.Register(now, p, sids, s.g.Version(), out); err == nil {
			given = o.SIDs
		}
		return out
	}, nil, nil))
	return given, err
}

// notes counts journal events.
func (s *shell) notes(name string) (n int) {
	for _, e := range s.out {
		if e, ok := e.(machine.Note); ok && e.Name == name {
			n++
		}
	}
	return n
}

// sends are the datagrams since the mark.
func (s *shell) sends(from int) (out []machine.Send) {
	for _, e := range s.out[from:] {
		if e, ok := e.(machine.Send); ok {
			out = append(out, e)
		}
	}
	return out
}

func testPeerPort(i byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(testPeer(i).Addr.Addr(), port)
}

func mustList(t testing.TB, text string) policy.List {
	l, err := policy.ParseList(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
