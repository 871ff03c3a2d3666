package member

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// ders are keys of several key servers, of which each has another kind.
var ders = sync.OnceValue(func() (out [3][]byte) {
	for i, kind := range []string{"rsa", "ecdsa256", "ecdsa384"} {
		k, err := pkitest.NewKey(kind)
		if err == nil {
			out[i], err = x509.MarshalPKIXPublicKey(k.Public())
		}
		if err != nil {
			panic(err)
		}
	}
	return out
})

func signer(i int) *suite.SignatureKey {
	k, err := suite.ParseSignatureKey(ders()[i])
	if err != nil {
		panic(err)
	}
	return k
}

// keyed adds a KEK to an offer, signed for by a key server that trusts others.
func keyed(o *pull.Offer, kek byte, by int, others ...int) *pull.Offer {
	o.KEK = &pull.KEKOffer{
		SPI: gdoi.KEKSPI{kek}, Suite: suite.KEKAES128CBC, Key: machine.NewSecret(make([]byte, 16)), IV: machine.NewSecret(make([]byte, 16)),
		Lifetime: 86400, Signature: signer(by).Signature(), SigHash: signer(by).Hash(machine.SHA256), SigKeyDER: ders()[by], SigKeyBits: signer(by).Bits(),
	}
	return trusting(o, others...)
}

func trusting(o *pull.Offer, keys ...int) *pull.Offer {
	for _, i := range keys {
		o.Trusted = append(o.Trusted, ders()[i])
	}
	return o
}

// accepted says by numbers whose rekeys are accepted under a KEK.
func (b *bench) accepted(kek byte) string {
	k := b.g.kek(gdoi.KEKSPI{kek}).receiver.Key()
	s := ""
	for i := range ders() {
		if k.Public.Equal(signer(i)) || slices.ContainsFunc(k.Trusted, signer(i).Equal) {
			s += fmt.Sprint(i)
		}
	}
	return s
}

// TestTrustedSigners: whose rekeys a member accepts, from its registrations and from what rekeys say.
func TestTrustedSigners(t *testing.T) {
	b := newBench(t, Config{})
	want := func(what string, kek byte, want string) {
		t.Helper()
		if got := b.accepted(kek); got != want {
			t.Errorf("%s: accepted are %q; want %q", what, got, want)
		}
	}
	sids := []gdoi.SID{1}
	pushed := func(o *pull.Offer, by int) { b.out = b.g.rekeyed(b.now, o, signer(by), b.out) }

	b.grant(keyed(offer(0, sids, 0x1001), 1, 0))
	want("one key server", 1, "0")
	b.grant(keyed(offer(0, sids, 0x1001), 1, 1, 0))
	want("registered with another one under the same KEK", 1, "01")
	pushed(offer(0, nil, 0x1001), 1)
	want("a rekey that says nothing", 1, "01")
	pushed(trusting(offer(0, nil, 0x1001), 2), 1)
	want("a third one instead of the first, whose KEK this is", 1, "012")
	pushed(keyed(offer(0, nil, 0x1001), 2, 1, 2), 1)
	want("a new KEK", 2, "12")
	want("the old KEK with it", 1, "012")
	o := keyed(offer(0, nil, 0x1001), 3, 1)
	o.Trusted = [][]byte{}
	pushed(o, 1)
	want("the others have gone", 3, "1")
	pushed(keyed(offer(0, nil, 0x1001), 4, 2), 1)
	want("a KEK of a key server that nobody named", 4, "12")
	b.grant(keyed(offer(0, sids, 0x1001), 4, 1))
	want("a registration names all", 3, "1")
	want("and the KEK keeps what it came with", 4, "12")
	for i := range 30 {
		k, err := pkitest.NewKey("ecdsa256")
		if err != nil {
			t.Fatal(err)
		}
		public, err := suite.NewSignatureKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		b.out = b.g.rekeyed(b.now, offer(0, nil, 0x1001), public, b.out)
		if n := len(b.g.Snapshot(b.now).SigningKeys); n > maxTrusted || i > maxTrusted && n < maxTrusted {
			t.Fatalf("%d keys are tried on every rekey", n)
		}
	}
}

// TestNotReadyYet: key servers without a primary are asked in turn, soon, and as often as it takes.
func TestNotReadyYet(t *testing.T) {
	const after = time.Second
	b := newBench(t, Config{KeyServers: []netip.AddrPort{ks1, ks2, ks3}})
	for i := range 60 {
		if len(b.d.asked) != i {
			t.Fatalf("%d attempts; want %d", len(b.d.asked), i)
		}
		most := otherSoon
		if i%3 == 0 {
			most = 3 * after / 2
		}
		for begin := b.now.Mono; len(b.d.asked) == i; b.run(10 * time.Millisecond) {
			if b.now.Mono.Sub(begin) > most+20*time.Millisecond {
				t.Fatalf("attempt %d does not begin within %v", i, most)
			}
		}
		if want := []netip.AddrPort{ks1, ks2, ks3}[i%3]; b.d.asked[i] != want {
			t.Fatalf("attempt %d goes to %v; want %v", i, b.d.asked[i], want)
		}
		b.out = b.g.notReady(b.now, &pull.Error{Err: pull.ErrRefused, RetryAfter: after}, after, b.out)
	}
	later := 0
	for _, e := range b.out {
		if n, ok := e.(machine.Note); ok && n.Name == gdoi.NoteRegisterLater {
			later++
		} else if ok && n.Severity > machine.Info {
			t.Errorf("the journal complains: %+v", n)
		}
	}
	if s := b.g.Snapshot(b.now); later != 1 || b.g.failures != 0 || len(s.Unreachable) != 0 {
		t.Errorf("%d events, %d failures, unreachable %v", later, b.g.failures, s.Unreachable)
	}
	// The only one that is reachable is not asked all the time.
	b.g.servers.unreachable(b.now, ks1, impatience)
	b.g.servers.unreachable(b.now, ks3, impatience)
	b.d.asked = nil
	for range 20 {
		b.g.servers.first(b.now)
		b.out = b.g.notReady(b.now, &pull.Error{Err: pull.ErrRefused, RetryAfter: after}, after, b.out)
		if at, _ := b.g.attempt.Deadline(); b.g.ks() != ks2 || at.Sub(b.now.Mono) < after/2 {
			t.Fatalf("%v again in %v", b.g.ks(), at.Sub(b.now.Mono))
		}
	}
}

// TestRekeysOfOthersCount: a sign of missed keys is one when it comes from any key server of the group.
func TestRekeysOfOthersCount(t *testing.T) {
	rogue := netip.MustParseAddrPort("192.0.2.66:848")
	primary := netip.MustParseAddrPort("10.0.0.8:848") // not in the member's configuration
	for _, c := range []struct {
		name string
		from netip.AddrPort
		want bool
	}{
		{"the one it registered with", ks1, true}, {"another one", ks3, true}, {"one that it heard genuine rekeys of", primary, true}, {"a stranger", rogue, false},
	} {
		for name, sign := range map[string]func(b *bench){
			"unknown KEK":    func(b *bench) { b.out = b.g.UnknownKEK(b.now, gdoi.KEKSPI{9}, c.from, b.out) },
			"unknown signer": func(b *bench) { b.out = b.g.unknownSigner(b.now, c.from, b.out) },
		} {
			b := newBench(t, Config{KeyServers: []netip.AddrPort{ks1, ks2, ks3}})
			b.grant(keyed(offer(0, []gdoi.SID{1}, 0x1001), 1, 0))
			b.g.rekeyedBy = primary
			if sign(b); b.g.busy() != c.want {
				t.Errorf("%s from %s: registers again is %t", name, c.name, b.g.busy())
			}
			at, on := b.g.attempt.Deadline()
			if c.want && (!on || at.Sub(b.now.Mono) < a/2 || at.Sub(b.now.Mono) > a) {
				t.Errorf("%s from %s: in %v; the repetitions may still come", name, c.name, at.Sub(b.now.Mono))
			}
		}
	}
}

// TestKeysThatWereWithdrawn: a key server that has not heard of a withdrawal is left for another one.
func TestKeysThatWereWithdrawn(t *testing.T) {
	b := newBench(t, Config{KeyServers: []netip.AddrPort{ks1, ks2}})
	b.run(time.Millisecond)
	b.grant(keyed(offer(0, []gdoi.SID{1}, 0x1001), 1, 0))
	b.out = b.g.deleted(b.now, &push.Message{Deletes: deletes(1)}, b.out)
	b.run(10 * time.Second)
	b.d.asked = nil
	b.grant(keyed(offer(0, []gdoi.SID{2}, 0x1001), 1, 0))
	b.run(2 * time.Second)
	if b.g.kek(gdoi.KEKSPI{1}) != nil || !slices.Equal(b.d.asked, []netip.AddrPort{ks2}) {
		t.Errorf("asked %v; the withdrawn KEK is there: %t", b.d.asked, b.g.kek(gdoi.KEKSPI{1}) != nil)
	}
}

// TestAWithdrawnKeyThatLives: what all key servers give out again lives, whoever withdrew it.
func TestAWithdrawnKeyThatLives(t *testing.T) {
	b := newBench(t, Config{KeyServers: []netip.AddrPort{ks1, ks2}})
	b.run(time.Millisecond)
	b.grant(keyed(offer(0, []gdoi.SID{1}, 0x1001), 1, 0))
	b.g.kek(gdoi.KEKSPI{1}).receiver.Raise(1 << 20)
	b.out = b.g.deleted(b.now, &push.Message{Deletes: deletes(1)}, b.out)
	b.run(10 * time.Second)
	for sid := range gdoi.SID(3) {
		if b.g.kek(gdoi.KEKSPI{1}) != nil {
			t.Fatalf("taken after %d key servers gave it", sid)
		}
		b.grant(keyed(offer(0, []gdoi.SID{2 + sid}, 0x1001), 1, 0))
		b.run(2 * time.Second)
	}
	k := b.g.kek(gdoi.KEKSPI{1})
	if k == nil || b.g.busy() {
		t.Fatal("the key that both give is refused for ever")
	}
	if seq := k.receiver.Last(); seq != 1<<20 {
		t.Errorf("what was said under it may be said again from %d on", seq)
	}
}

// TestDeadServersInARollover: a rekey was missed and two of three key servers are dead: the third is asked before others
// send with the new keys.
func TestDeadServersInARollover(t *testing.T) {
	for _, base := range []time.Duration{a, 10 * time.Second, 5 * time.Second} {
		b := newBench(t, Config{KeyServers: []netip.AddrPort{ks1, ks2, ks3}})
		o := offer(0, []gdoi.SID{1}, 0x1001)
		o.DTD = 4 * base
		b.grant(o)
		b.d.asked = nil
		b.run(time.Hour - 4*base) // T0
		begin := b.now.Mono
		for !slices.Contains(b.d.asked, ks3) && b.now.Mono.Sub(begin) < time.Hour {
			b.run(10 * time.Millisecond)
		}
		took := b.now.Mono.Sub(begin)
		if limit := 2 * base; took > limit {
			t.Errorf("A = %v: the third key server is asked %v after the rollover began; want %v", base, took, limit)
		}
		t.Logf("A = %v: %v", base, took)
	}
}

// TestServerDiesWhileItAnswers: a rekey was missed, and the key server dies between its first answer and the keys: another one
// is asked before others send with the new keys. Without such haste it gets all the time that an exchange takes.
func TestServerDiesWhileItAnswers(t *testing.T) {
	for _, base := range []time.Duration{a, 10 * time.Second} {
		b := newBench(t, Config{KeyServers: []netip.AddrPort{ks1, ks2, ks3}})
		o := offer(0, []gdoi.SID{1}, 0x1001)
		o.DTD = 4 * base
		b.grant(o)
		b.d.asked = nil
		b.run(time.Hour - 4*base) // T0
		begin := b.now.Mono
		for len(b.d.asked) == 0 {
			b.run(10 * time.Millisecond)
		}
		b.g.answered(b.now)
		b.run(answering - 10*time.Millisecond)
		if len(b.d.asked) != 1 {
			t.Errorf("A = %v: asked %v; the first one may wait for other key servers", base, b.d.asked)
		}
		b.run(begin.Add(2 * base).Sub(b.now.Mono))
		if !slices.Contains(b.d.asked, ks2) {
			t.Errorf("A = %v: asked %v until others send with the new keys", base, b.d.asked)
		}
	}
	b := newBench(t, Config{KeyServers: []netip.AddrPort{ks1, ks2}})
	b.run(time.Second)
	b.g.answered(b.now)
	b.run(2 * impatience)
	if !slices.Equal(b.d.asked, []netip.AddrPort{ks1}) {
		t.Errorf("at the start: asked %v", b.d.asked)
	}
}

func deletes(kek byte) []isakmp.Delete {
	return []isakmp.Delete{push.DeleteTEKs(), push.DeleteKEK(gdoi.KEKSPI{kek})}
}
