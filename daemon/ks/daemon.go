package ks

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/loop"
	"github.com/getvpn/getvpn/daemon/metrics"
	"github.com/getvpn/getvpn/daemon/process"
	"github.com/getvpn/getvpn/daemon/store"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/daemon/transport"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
)

// stopTimeout bounds an orderly end.
const stopTimeout = 3 * time.Second

// Options of New; the zero value is what a daemon uses.
type Options struct {
	Clock loop.Clock
}

// Daemon is a key server.
type Daemon struct {
	cfg     *config.KS // in force; once it runs, replaced on the loop's goroutine only
	log     *slog.Logger
	sink    process.Sink
	journal control.Journal
	clock   loop.Clock
	started time.Time

	// secrets are the pre-shared keys in force; reloading is held while the configuration file is read and applied.
	secrets   atomic.Pointer[[]config.PSK]
	faults    atomic.Pointer[config.Faults]
	reloading turn

	keys      *custody.Measured
	public    *publicKeys
	keks      *kekCustody
	transport []byte // our transport key, where KEKs are in the custody
	watch     *custody.Watch
	random    *mixer // nil: TEKs come from the system's generator
	store     *store.Store
	conn      transport.Sockets
	node      *node.KeyServer
	loop      *loop.Loop
	listener  *net.UnixListener
	server    *control.Server
	metrics   *metrics.Server // nil: there are none
	pki       *translate.PKI
	lint      translate.Lint
	stop      chan struct{} // a value: somebody asked for a stop
	ending    chan struct{} // closed when Run ends
}

// New opens everything that a key server needs; what it opened is closed by Run, or at once on error.
func New(cfg *config.KS, log *slog.Logger, opts Options) (_ *Daemon, err error) {
	d := &Daemon{cfg: cfg, log: log, clock: opts.Clock, pki: translate.NewPKI(&cfg.Common), reloading: make(turn, 1), stop: make(chan struct{}, 1), ending: make(chan struct{})}
	if d.clock == nil {
		d.clock = loop.NewSystemClock()
	}
	d.started = d.clock.Now().Wall
	d.sink = process.Sink{Node: cfg.Name, Log: log, Journal: &d.journal}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.listener, err = control.Listen(cfg.Control); err != nil {
		return nil, err
	}
	d.faults.Store(&cfg.Faults)
	ctx := context.Background()
	sealer, err := d.openKeys(ctx)
	if err != nil {
		return nil, err
	}
	if err = d.pki.UseToken(ctx, d.keys); err != nil {
		return nil, err
	}
	if d.store, err = store.Open(cfg.State, "ks "+cfg.Name, sealer); err != nil {
		return nil, err
	}
	records, err := d.store.Load()
	if err != nil {
		return nil, err
	}
	if d.conn, err = transport.Open(cfg.Listen, transport.Options{}); err != nil {
		return nil, err
	}
	if err = d.routeMulticast(cfg); err != nil {
		return nil, err
	}
	if err = d.ensureTransport(ctx); err != nil {
		return nil, err
	}
	nc, err := translate.KeyServerNode(cfg, d.sources(), d.transport, func(group string, k config.KEK) (translate.SignatureKey, error) {
		k.SignatureKey = keyserver.SignerOf(records, group, k.SignatureKey)
		der, err := d.public.ensure(ctx, k)
		return translate.SignatureKey{Name: k.SignatureKey, Public: der}, err
	})
	if err != nil {
		return nil, err
	}
	d.secrets.Store(&cfg.PSKs)
	nc.Phase1.PSK = d.secret
	env := machine.NewEnv(rand.Reader)
	if d.random != nil {
		env.Keys = d.random
	}
	if c, ok := d.clock.(*loop.SystemClock); ok {
		env.Boot = c.Boot()
	}
	if d.node, err = node.NewKeyServer(env, nc, records); err != nil {
		return nil, err
	}
	d.loop = loop.New(loop.Config{
		Machine: d.node, Clock: d.clock, Send: d.send, Persist: d.persist, Note: d.sink.Note,
		Sign: custody.Heeding(d.watch, sign(d.keys, d.pki.Keys())), Keys: custody.Heeding(d.watch, d.keyCall),
	})
	d.server = control.NewServer(control.Handlers{
		Snapshot: d.Snapshot, Rekey: command[control.RekeyRequest](d), ClearMember: command[control.ClearMemberRequest](d),
		ClearMembers: command[control.ClearMembersRequest](d), RemoveMember: command[control.RemoveMemberRequest](d),
		Readmit: command[control.ReadmitRequest](d), Handover: command[control.HandoverRequest](d), Stop: d.askStop,
		Plan: d.plan, Apply: d.apply, Rotate: d.rotate, DryRun: d.dryRun,
	}, &d.journal)
	d.metrics, err = metrics.Listen(cfg.Metrics, log, d.server.Snapshot, &d.journal)
	return d, err
}

// Addr is where it listens.
func (d *Daemon) Addr() config.Endpoints { return d.conn.Local() }

// sources are the addresses that rekeys are sent from.
func (d *Daemon) sources() config.Endpoints {
	out := d.Addr()
	for i, a := range out {
		if a.Addr().IsUnspecified() {
			out[i] = netip.AddrPortFrom(d.cfg.Identity.Of(a.Addr()), a.Port())
		}
	}
	return out
}

// routeMulticast tells the transport how the groups' multicast leaves.
func (d *Daemon) routeMulticast(cfg *config.KS) error {
	for i := range cfg.Groups {
		if r := cfg.Groups[i].Rekey; r.Transport == "multicast" {
			if err := d.conn.SetRoute(r.Multicast.Address.Addr(), transport.Route{TTL: r.Multicast.TTL, Interface: r.Multicast.Interface}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Daemon) send(local, remote netip.AddrPort, b []byte) {
	if err := d.conn.Send(local, remote, b); err != nil {
		d.log.Debug("datagram not sent", "error", err)
	}
}

func (d *Daemon) close() {
	if d.conn != nil {
		_ = d.conn.Close()
	}
	if d.listener != nil {
		_ = d.listener.Close()
	}
	_ = d.metrics.Close()
	if d.store != nil {
		_ = d.store.Close()
	}
	if d.keys != nil {
		_ = d.keys.Close()
	}
}

// Run implements process.Daemon.
func (d *Daemon) Run(ctx context.Context, ready func()) error {
	defer d.close()
	d.log.Info("key server is up", "version", control.Version, "listen", d.Addr().String(), "control", d.cfg.Control, "state", d.store.Path())
	fault := make(chan error, 2)
	go func() { fault <- d.server.Serve(d.listener) }()
	go d.metrics.Serve()
	lctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	looped := make(chan struct{})
	go func() { d.loop.Run(lctx); close(looped) }()
	guarded := d.guard(lctx)
	go func() {
		d.bury(lctx)
		fault <- d.conn.Receive(d.loop.Deliver)
	}()
	ready()
	var err error
	select {
	case <-ctx.Done():
	case <-d.stop:
	case err = <-fault:
	}
	close(d.ending)
	sctx, scancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer scancel()
	_, cerr := d.loop.Command(sctx, func(id uint64) machine.Event { return gdoi.CmdStop{ID: id} })
	cancel()
	<-looped
	guarded()
	return errors.Join(err, cerr, d.server.Close(sctx))
}

// Snapshot implements process.Daemon.
func (d *Daemon) Snapshot(ctx context.Context) (*control.Snapshot, error) {
	s := &control.Snapshot{
		Name: d.sink.Node, Role: control.RoleKeyServer, Version: control.Version, GDOIVersion: control.GDOIVersion, PID: os.Getpid(),
		Started: d.started, Local: d.Addr().String(), LastSeq: d.journal.Last(),
	}
	err := d.loop.Do(ctx, func(now machine.Now) {
		n := d.node.Snapshot(now)
		s.Warn = slices.Concat(d.notices(), d.cfg.Warnings, d.pki.Warnings(now.Wall))
		s.Time, s.Drops, s.KS = now.Wall, translate.Drops(n.Drops), translate.KeyServer(d.cfg, n, d.store.Path())
		d.lint.Mark(d.cfg, s.KS)
		s.Custody = d.custodySnapshot(n)
	})
	return s, err
}

// Reload implements process.Reloader: certificates, authorities and revocation lists are read again.
func (d *Daemon) Reload(ctx context.Context) (string, error) {
	if err := d.reloading.take(ctx); err != nil {
		return "", err
	}
	defer d.reloading.leave()
	fresh, text, err := d.pki.Renew(ctx, d.loop)
	if err != nil || fresh == nil {
		return text, err
	}
	return text, d.loop.Do(ctx, func(machine.Now) {
		c := *d.cfg
		c.Certificates = fresh
		d.cfg = &c
	})
}

func (d *Daemon) askStop(context.Context) (string, error) {
	select {
	case d.stop <- struct{}{}:
	default:
	}
	return d.sink.Node + " is stopping", nil
}
