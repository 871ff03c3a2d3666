package ks_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/ks"
	"github.com/getvpn/getvpn/daemon/loop"
	"github.com/getvpn/getvpn/daemon/transport"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// BenchmarkRegistration is full registrations (phase 1 and PULL, with the durable writes of a real store) that one key
// server grants over loopback. The members' half of the work runs on the same machine and is included.
func BenchmarkRegistration(b *testing.B) {
	for _, s := range []string{"aes128-sha256-ecp256", "aes256-sha256-modp2048"} {
		b.Run(s, func(b *testing.B) { benchRegistration(b, s) })
	}
}

const benchConfig = `
name: ks1
listen: 127.0.0.1
control: ks.sock
state: ks
identity: {address: 127.0.0.1}
pre-shared-keys: []
groups:
  - name: blue
    id: 1234
    authorise: [{address: 127.0.0.0/8}]
    policy: ["permit ip 10.0.0.0/8 10.0.0.0/8"]
`

func benchRegistration(b *testing.B, text string) {
	p1, err := suite.ParsePhase1(text)
	if err != nil {
		b.Fatal(err)
	}
	secret := machine.NewSecret([]byte("0123456789abcdef"))
	all := netip.MustParsePrefix("127.0.0.0/8")
	file := b.TempDir() + "/ks.yml"
	if err := os.WriteFile(file, []byte(benchConfig), 0o600); err != nil {
		b.Fatal(err)
	}
	cfg, err := config.LoadKS(file)
	if err != nil {
		b.Fatal(err)
	}
	cfg.Phase1.Suites = []suite.Phase1{p1}
	cfg.PSKs = []config.PSK{{Peer: all, Secret: secret}}
	cfg.Listen = config.Endpoints{freePort(b, "127.0.0.1")}
	d, err := ks.New(cfg, slog.New(slog.DiscardHandler), ks.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx, func() {}) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}()
	var next atomic.Uint32
	const atOnce = 32
	jobs := make(chan struct{}, b.N)
	for range b.N {
		jobs <- struct{}{}
	}
	close(jobs)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for range jobs {
				n := next.Add(1)
				addr := netip.AddrFrom4([4]byte{127, 1 + byte(n>>16), byte(n >> 8), byte(n)})
				if err := register(netip.AddrPortFrom(addr, 0), cfg.Listen[0], p1, secret, gdoi.GroupID(cfg.Groups[0].ID.Octets)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "registrations/s")
}

// register is a member's control plane from birth to its first keys.
func register(local, server netip.AddrPort, p1 suite.Phase1, secret *machine.Secret, group gdoi.GroupID) error {
	return registerAnd(local, server, p1, secret, group, func() {})
}

// registerAnd calls then while the member is registered.
func registerAnd(local, server netip.AddrPort, p1 suite.Phase1, secret *machine.Secret, group gdoi.GroupID, then func()) error {
	conn, err := transport.Listen(local, transport.Options{})
	if err != nil {
		return err
	}
	defer conn.Close()
	m, err := node.NewGroupMember(machine.NewEnv(rand.Reader), node.GMConfig{
		Local:  conn.Local(),
		Phase1: ike1.Config{Suites: []suite.Phase1{p1}, PSK: func(netip.Addr) *machine.Secret { return secret }},
		Groups: []member.Config{{Name: "blue", ID: group, KeyServers: []netip.AddrPort{server}}},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var failed error
	l := loop.New(loop.Config{
		Machine: m,
		Send:    func(l, r netip.AddrPort, b []byte) { _ = conn.Send(l, r, b) },
		Note: func(_ machine.Now, n machine.Note) {
			switch n.Name {
			case gdoi.NoteGMRegistered:
				then()
				cancel()
			case gdoi.NoteRegisterFailed:
				failed = fmt.Errorf("%s: %s", local, n.Text)
				cancel()
			}
		},
	})
	go func() { _ = conn.Receive(l.Deliver) }()
	l.Run(ctx)
	return failed
}
