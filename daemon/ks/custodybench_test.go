package ks_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/daemon/ks"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm/hsmtest"
)

// local is a key server of many groups in this process, with members that register.
type local struct {
	tb     testing.TB
	cfg    *config.KS
	daemon *ks.Daemon
	client *client.Client
}

// startLocal runs a key server of so many groups; section is its custody, and faults.
func startLocal(tb testing.TB, groups int, section string) *local {
	tb.Helper()
	dir := tb.TempDir()
	text := fmt.Sprintf(`
name: ks1
listen: %s
control: ks.sock
state: ks
identity: {address: 127.0.0.1}
phase1: {suites: [aes128-sha256-ecp256]}
pre-shared-keys: [{peer: 127.0.0.0/8, secret-file: psk}]
%s
groups:
`, freePort(tb, "127.0.0.1"), section)
	for i := range groups {
		text += fmt.Sprintf(`  - {name: g%d, id: %d, authorise: [{address: 127.0.0.0/8}], policy: ["permit ip 10.0.0.0/8 10.0.0.0/8"]}
`, i, i+1)
	}
	for name, text := range map[string]string{"ks.yml": text, "psk": testPSK + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	l := &local{tb: tb, client: client.New(filepath.Join(dir, "ks.sock"))}
	var err error
	if l.cfg, err = config.LoadKS(filepath.Join(dir, "ks.yml")); err != nil {
		tb.Fatal(err)
	}
	if l.daemon, err = ks.New(l.cfg, slog.New(slog.DiscardHandler), ks.Options{}); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done, ready := make(chan error, 1), make(chan struct{})
	go func() { done <- l.daemon.Run(ctx, func() { close(ready) }) }()
	<-ready
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return l
}

// register has so many members, all at the same time, register in a group, and returns how long each took, sorted.
func (l *local) register(members, group int) []time.Duration {
	l.tb.Helper()
	p1, err := suite.ParsePhase1("aes128-sha256-ecp256")
	if err != nil {
		l.tb.Fatal(err)
	}
	took := make([]time.Duration, members)
	var wg sync.WaitGroup
	for i := range members {
		wg.Go(func() {
			addr := netip.AddrFrom4([4]byte{127, 1, byte(group), byte(i + 1)})
			start := time.Now()
			if err := register(netip.AddrPortFrom(addr, 0), l.cfg.Listen[0], p1, machine.NewSecret([]byte(testPSK)), gdoi.GroupID([]byte{0, 0, 0, byte(group + 1)})); err != nil {
				l.tb.Error(err)
			}
			took[i] = time.Since(start)
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took
}

// snapshot waits until the condition holds.
func (l *local) snapshot(what string, cond func(*control.Snapshot) bool) *control.Snapshot {
	l.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		s, err := l.daemon.Snapshot(ctx)
		if err != nil {
			l.tb.Fatalf("%s: %v", what, err)
		}
		if cond(s) {
			return s
		}
		time.Sleep(time.Millisecond) // between looks at a daemon of real time
	}
}

// inSoftHSM is the custody section of a token of its own.
func inSoftHSM(tb testing.TB) string {
	s := hsmtest.NewSoftHSM(tb, "ks1")
	return fmt.Sprintf("custody: {module: %s, token: 'pkcs11:token=ks1', pin: {file: %s}, allow-oaep-sha1: true}\n", s.Module, s.PINFile())
}

// BenchmarkRegistrationCustody is 100 registrations at the same time: with the KEK in memory, and with the KEK in a token,
// which is asked for it, and wiped, for all that wait.
func BenchmarkRegistrationCustody(b *testing.B) {
	const members, groups = 100, 6
	for _, where := range []string{"files", "softhsm"} {
		b.Run(where, func(b *testing.B) {
			section := ""
			if where == "softhsm" {
				section = inSoftHSM(b)
			}
			l := startLocal(b, groups, section)
			l.register(1, groups-1)
			b.ResetTimer()
			for n := range b.N {
				l.register(members, n%(groups-1)) // a member may not register often
			}
			b.ReportMetric(float64(b.N*members)/b.Elapsed().Seconds(), "registrations/s")
		})
	}
}

// BenchmarkRekey is rekeys of many groups that are asked for at the same time, until the last PUSH is sent: with all keys in
// files, and with signature keys and KEKs in a SoftHSM token. With a new KEK, its value is revealed once for the PUSH that
// brings it, and the next one is made.
func BenchmarkRekey(b *testing.B) {
	const groups, rounds = 20, 3
	for _, where := range []string{"files", "softhsm"} {
		for _, kek := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/%s", map[bool]string{false: "teks", true: "kek"}[kek], where), func(b *testing.B) {
				section := ""
				if where == "softhsm" {
					section = inSoftHSM(b)
				}
				var spent time.Duration
				for range b.N {
					b.StopTimer()
					l := startLocal(b, groups, section)
					for g := range groups {
						l.register(1, g)
					}
					b.StartTimer()
					start := time.Now()
					for round := range rounds {
						l.rekeyAll(groups, uint64(round+1), kek)
					}
					spent += time.Since(start)
				}
				b.ReportMetric(float64(b.N*groups*rounds)/spent.Seconds(), "rekeys/s")
			})
		}
	}
}

// rekeyAll rekeys every group, and waits until each has sent so many rekeys.
func (l *local) rekeyAll(groups int, sent uint64, kek bool) {
	var wg sync.WaitGroup
	for g := range groups {
		wg.Go(func() {
			for start := time.Now(); ; time.Sleep(time.Millisecond) { // a new KEK is refused until the next one is made
				_, err := l.client.Rekey(context.Background(), control.RekeyRequest{Group: fmt.Sprint("g", g), KEK: kek})
				if err == nil {
					return
				}
				if time.Since(start) > patience {
					l.tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	l.snapshot("rekeys", func(s *control.Snapshot) bool {
		return !slices.ContainsFunc(s.KS.Groups, func(g control.KSGroup) bool { return g.RekeysSent < sent })
	})
}

// TestSlowToken: a token that takes 100 ms for each call of its module delays a registration by the calls of one look at the
// KEK, or of two, when one was just under way; not by those of everybody before it.
func TestSlowToken(t *testing.T) {
	const members, delay = 200, 100 * time.Millisecond
	// A look is two calls: the public key of the window is brought in, and the KEK is wrapped under it.
	const look = 2 * delay
	var base, took []time.Duration
	var spent time.Duration
	var n uint64
	// The first registration has the window made, and the KEK found in the token.
	t.Run("fast", func(t *testing.T) {
		fast := startLocal(t, 1, inSoftHSM(t))
		fast.register(1, 0)
		base = fast.register(members, 0)
	})
	t.Run("slow", func(t *testing.T) {
		slow := startLocal(t, 1, inSoftHSM(t)+"faults: {token-delay: 100ms}\n")
		slow.register(1, 0)
		before, start := slow.wraps(), time.Now()
		took = slow.register(members, 0)
		spent, n = time.Since(start), slow.wraps()-before
	})
	if t.Failed() {
		return
	}
	t.Logf("%d registrations at the same time: median %v, most %v; with a token of %v a call: median %v, most %v, and %d looks at the KEK for all",
		members, base[members/2], base[members-1], delay, took[members/2], took[members-1], n)
	if most := uint64(spent/look) + 2; n == 0 || n > most {
		t.Errorf("the KEK was looked at %d times for %d registrations in %v, want at most %d", n, members, spent, most)
	}
	// One look for each member would take 10 s in the four sessions.
	if more := took[members-1] - base[members-1]; more > 10*look {
		t.Errorf("the last registration took %v more than with a fast token, want the two looks of %v", more, look)
	}
}

// wraps is how often the custody has wrapped a key.
func (l *local) wraps() (n uint64) {
	s := l.snapshot("custody", func(s *control.Snapshot) bool { return s.Custody != nil })
	for _, o := range s.Custody.Latency {
		if o.Operation == "wrap" {
			n += o.Count
		}
	}
	return n
}
