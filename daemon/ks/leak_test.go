package ks_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm/remains"
	"github.com/getvpn/getvpn/hsm/remains/remainstest"
	"github.com/getvpn/getvpn/hsm/wipe"
)

const testPSK = "0123456789abcdef0123456789"

// stayRegistered is a member that has registered and waits until its stdin ends.
func stayRegistered(server string) error {
	to, err := netip.ParseAddrPort(server)
	if err != nil {
		return err
	}
	return registerMember(to, netip.MustParseAddr("127.0.1.100"), func() {
		fmt.Println("registered")
		_, _ = io.Copy(io.Discard, os.Stdin)
	})
}

// registerMember registers a member of the group of all tests, and calls then while it is registered.
func registerMember(server netip.AddrPort, local netip.Addr, then func()) error {
	p1, err := suite.ParsePhase1("aes128-sha256-ecp256")
	if err != nil {
		return err
	}
	return registerAnd(netip.AddrPortFrom(local, 0), server, p1, machine.NewSecret([]byte(testPSK)), gdoi.GroupID([]byte{0, 0, 4, 210}), then)
}

// leaks is a key server with a token, and what is looked for in it.
type leaks struct {
	*world
	pid     int
	secrets map[string]remains.Secret
	token   func() []remains.Secret

	looks, seen, modules int // while the key server is at work
}

// finder looks for all that has ever been in the token.
func (l *leaks) finder() *remains.Finder {
	l.t.Helper()
	for _, s := range l.token() {
		l.secrets[s.Name] = s
	}
	var all []remains.Secret
	for _, s := range l.secrets {
		all = append(all, s)
	}
	f, err := remains.NewFinder(all...)
	if err != nil {
		l.t.Fatal(err)
	}
	return f
}

// TestNothingLeaks: of the keys in the token, and of its PIN, nothing is in the memory of the key server, but for the KEK
// while a message carries it; and nothing ever is in its state, its log or what its control socket says.
func TestNothingLeaks(t *testing.T) {
	remainstest.SkipRaced(t)
	w := newWorld(t)
	w.edit("lifetime: 64s", "lifetime: 6400s", "lifetime: 32s", "lifetime: 3200s")
	s := w.inToken("  tek-random: token\n")
	t.Setenv("GETVPN_TEST_LOG", w.path("log"))
	cmd := w.startKS()
	a, b := w.pair()
	l := &leaks{world: w, pid: cmd.Process.Pid, secrets: map[string]remains.Secret{}, token: func() []remains.Secret { return s.Secrets(t, "ks1") }}
	l.controls()
	var took []time.Duration
	for range 4 {
		l.meanwhile(func() { l.use(a, b) })
		took = append(took, l.wiped())
	}
	slices.Sort(took)
	t.Logf("a KEK was found in %d of %d looks while members registered and were rekeyed (a key in the module's memory in %d), and for %v after that (median of %d; most %v); wiping of garbage: %t",
		l.seen, l.looks, l.modules, took[len(took)/2], len(took), took[len(took)-1], wipe.Works)
	l.written(w.path("ks"), w.path("log"))
}

// controls: a member has the KEK, and it is found there; the key server has the pre-shared key, and it is found there.
func (l *leaks) controls() {
	l.t.Helper()
	member := remainstest.Start(l.t, "GETVPN_TEST_MEMBER="+l.ks.String())
	defer member.Close()
	if line := member.Line(); line != "registered" {
		l.t.Fatalf("the member says %q", line)
	}
	find := func(f *remains.Finder, pid int, ok func(remains.Find) bool, what string) {
		l.t.Helper()
		all, err := f.Memory(pid)
		if err != nil {
			l.t.Fatal(err)
		}
		if !slices.ContainsFunc(all, func(x remains.Find) bool { return ok(x) && x.Owner == remains.Program && x.Octets == x.Of }) {
			l.t.Fatalf("%s is not found, so that looking proves nothing: %v", what, all)
		}
	}
	find(l.finder(), member.PID, func(x remains.Find) bool { return strings.HasPrefix(x.Secret, "kek-") }, "the KEK that a member has")
	psk, err := remains.NewFinder(remains.Secret{Name: "pre-shared key", Value: []byte(testPSK)})
	if err != nil {
		l.t.Fatal(err)
	}
	find(psk, l.pid, func(remains.Find) bool { return true }, "the pre-shared key that the key server has")
}

// use has members register, and the group rekeyed with new TEKs and with a new KEK.
func (l *leaks) use(a, b *gateway) {
	l.t.Helper()
	c := l.ksClient()
	for _, kek := range []bool{false, true} {
		before := rekeys(l.t, a, b)
		// The group has room for a few TEKs only.
		await(l.t, c, "room for a rekey", func(control.Watch) bool {
			_, err := c.Rekey(l.t.Context(), control.RekeyRequest{Group: "blue", KEK: kek})
			return err == nil
		})
		for i, m := range []*gateway{a, b} {
			await(l.t, m.client, "a rekey", func(x control.Watch) bool {
				return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[i]
			})
		}
	}
	var members sync.WaitGroup
	for i := range 20 {
		members.Go(func() {
			if err := registerMember(l.ks, netip.AddrFrom4([4]byte{127, 0, 1, byte(101 + i)}), func() {}); err != nil {
				l.t.Error(err)
			}
		})
	}
	members.Wait()
}

// meanwhile looks as often as it can while f runs. The keys that f brings into use are in the token already: each group has
// a spare one.
func (l *leaks) meanwhile(f func()) {
	l.t.Helper()
	finder, stop, looked := l.finder(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		for {
			select {
			case <-stop:
				return
			default:
			}
			l.looks++
			own, modules := l.look(finder)
			if len(own) > 0 {
				l.seen++
			}
			if len(modules) > 0 {
				l.modules++
			}
		}
	}()
	f()
	close(stop)
	<-looked
}

// look returns what is found of KEKs in the key server's own memory, and of everything in the memory of C code: the module
// works there. What else is found is an error: it is never there, not for a moment.
func (l *leaks) look(f *remains.Finder) (own, modules []remains.Find) {
	l.t.Helper()
	all, err := f.Memory(l.pid)
	if err != nil {
		l.t.Error(err)
	}
	for _, x := range all {
		switch {
		case x.Owner != remains.Program:
			modules = append(modules, x)
		case strings.HasPrefix(x.Secret, "kek-"):
			own = append(own, x)
		default:
			l.t.Errorf("the %s has %s", x.Owner, x)
		}
	}
	return own, modules
}

// within is how long a KEK may be found after a message that carried it. The memory is wiped when the garbage collector
// runs, which is within a second; the rest is for machines that are busy.
const within = 10 * time.Second

// wiped waits until no key is found, and returns how long the last was.
func (l *leaks) wiped() time.Duration {
	l.t.Helper()
	f, start := l.finder(), time.Now()
	var last time.Duration
	for {
		now := time.Since(start)
		left, modules := l.look(f)
		left = append(left, modules...) // SoftHSM wipes what it has decrypted
		if len(left) == 0 {
			return last
		}
		if now > within || !wipe.Works && len(modules) == 0 && now > within/5 {
			report := l.t.Errorf
			if !wipe.Works && len(modules) == 0 {
				report = l.t.Logf // a build that does not wipe: see the test of package wipe
			}
			report("after %v the key server still has %v", now, left)
			return now
		}
		last = time.Since(start)
	}
}

// written looks at what the key server wrote, and at what it says.
func (l *leaks) written(paths ...string) {
	l.t.Helper()
	f := l.finder()
	report := func(all []remains.Find, err error) {
		l.t.Helper()
		if err != nil {
			l.t.Fatal(err)
		}
		for _, x := range all {
			l.t.Error(x)
		}
	}
	for _, p := range paths {
		report(f.Files(p))
	}
	web := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", l.path("ks.sock"))
	}}}
	for _, what := range []string{"snapshot", "events"} {
		r, err := web.Get("http://ks/v1/" + what)
		if err != nil {
			l.t.Fatal(err)
		}
		text, err := io.ReadAll(r.Body)
		if err != nil || len(text) < 100 {
			l.t.Fatalf("%s: %q %v", what, text, err)
		}
		_ = r.Body.Close()
		if what == "snapshot" && strings.Contains(string(text), "runtimesecret") == wipe.Works {
			l.t.Errorf("operators are not told rightly whether this build wipes (%t)", wipe.Works)
		}
		report(f.Text(text, "the "+what+" of the control socket"), nil)
	}
	log, err := os.ReadFile(l.path("log"))
	if err != nil || !strings.Contains(string(log), "rekey") {
		l.t.Errorf("the log has %d octets (%v), want one that tells of rekeys", len(log), err)
	}
}
