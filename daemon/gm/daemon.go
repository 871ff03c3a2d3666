package gm

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
	"github.com/getvpn/getvpn/daemon/netcfg"
	"github.com/getvpn/getvpn/daemon/process"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/daemon/transport"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
)

// stopTimeout bounds an orderly end.
const stopTimeout = 3 * time.Second

// Options of New; the zero value is what a daemon uses.
type Options struct {
	Clock  loop.Clock
	System *System // default: Linux
}

// Daemon is a group member.
type Daemon struct {
	cfg     *config.GM
	log     *slog.Logger
	sink    process.Sink
	journal control.Journal
	clock   loop.Clock
	started time.Time
	system  System
	path    atomic.Pointer[Path] // nil: not up yet

	engine    *engine.Engine
	inner     [2]int // MTU of IPv4 and IPv6 that the TUN was last given for the suites
	kernel    *applier
	traffic   traffic
	addresses addresses
	conn      transport.Sockets
	node      *node.GroupMember
	loop      *loop.Loop
	listener  *net.UnixListener
	server    *control.Server
	metrics   *metrics.Server // nil: there are none
	pki       *translate.PKI
	custody   *custody.Measured // nil: there is no token
	watch     *custody.Watch
	stop      chan struct{} // a value: somebody asked for a stop
}

// New checks everything and opens the sockets of the control plane. The system is not touched before Run.
func New(cfg *config.GM, log *slog.Logger, opts Options) (_ *Daemon, err error) {
	d := &Daemon{cfg: cfg, log: log, clock: opts.Clock, system: Linux(), pki: translate.NewPKI(&cfg.Common), stop: make(chan struct{}, 1)}
	d.traffic.d = d
	d.watch = custody.NewWatch(d.askCustody, d.custodyState)
	if opts.System != nil {
		d.system = *opts.System
	}
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
	if d.engine, err = engine.New(engineConfig(cfg)); err != nil {
		return nil, err
	}
	nc := netConfig(cfg, d.innerMTU)
	nc.InnerMTU6, nc.Own = d.engine.InnerMTU6, d.engine.SetGateway
	kernel, err := d.system.Kernel(nc)
	if err != nil {
		return nil, err
	}
	d.kernel = newApplier(kernel, kernelGroups(cfg), d.kernelFailed)
	if d.listener, err = control.Listen(cfg.Control); err != nil {
		return nil, err
	}
	if err = os.MkdirAll(cfg.State, 0o700); err != nil {
		return nil, err
	}
	if err = d.openCustody(context.Background()); err != nil { // a token has time limits of its own
		return nil, err
	}
	if d.conn, err = transport.Open(cfg.Local, transport.Options{Mark: d.system.Mark}); err != nil {
		return nil, err
	}
	mc, err := translate.GroupMemberNode(cfg, d.conn.Local())
	if err != nil {
		return nil, err
	}
	if d.node, err = node.NewGroupMember(machine.NewEnv(rand.Reader), mc); err != nil {
		return nil, err
	}
	d.loop = loop.New(loop.Config{Machine: d.node, Clock: d.clock, Send: d.send, Note: d.sink.Note, Effect: d.effect, Sign: custody.Heeding(d.watch, d.pki.Keys().Sign)})
	d.server = control.NewServer(control.Handlers{Snapshot: d.Snapshot, Reregister: d.reregister, Stop: d.askStop, DryRun: d.dryRun}, &d.journal)
	d.metrics, err = metrics.Listen(cfg.Metrics, log, d.server.Snapshot, &d.journal)
	return d, err
}

// innerMTU tells the engine the WAN's MTU and the kernel the TUN's.
func (d *Daemon) innerMTU(wan int) int {
	if d.cfg.Interfaces.MTU != 0 {
		wan = min(wan, d.cfg.Interfaces.MTU)
	}
	if err := d.engine.SetMTU(wan); err != nil {
		d.log.Error("the MTU of the WAN is not usable", "mtu", wan, "error", err)
	}
	return d.engine.TUNMTU()
}

func (d *Daemon) send(local, remote netip.AddrPort, b []byte) {
	if err := d.conn.Send(local, remote, b); err != nil {
		d.log.Debug("datagram not sent", "error", err)
	}
}

func (d *Daemon) kernelFailed(err error) {
	n := machine.Note{Name: noteKernel, Severity: machine.Error, Text: err.Error()}
	if _, ok := errors.AsType[*netcfg.Repaired](err); ok {
		n.Name, n.Severity = noteRepaired, machine.Warning
	}
	d.sink.Note(d.clock.Now(), n)
}

func (d *Daemon) close() {
	if d.conn != nil {
		_ = d.conn.Close()
	}
	if d.listener != nil {
		_ = d.listener.Close()
	}
	_ = d.metrics.Close()
	if d.custody != nil {
		_ = d.custody.Close()
	}
}

// Run implements process.Daemon.
func (d *Daemon) Run(ctx context.Context, ready func()) error {
	defer d.close()
	fault := make(chan error, 4)
	// One stage for each part that must be gone before the next may go.
	var machinery, system, traffic stage
	for _, s := range []*stage{&machinery, &system, &traffic} {
		s.init(context.WithoutCancel(ctx))
		defer s.end()
	}
	if err := d.raise(&system, &traffic); err != nil {
		d.log.Error("could not start; what guards protected traffic stays in place (getvpn-gm down removes it)")
		return err
	}
	machinery.run(d.loop.Run)
	machinery.run(d.watchDataPath)
	if d.custody != nil {
		machinery.run(d.watch.Run)
	}
	machinery.run(func(ctx context.Context) { d.addresses.watch(ctx, d) })
	go func() { fault <- d.server.Serve(d.listener) }()
	go d.metrics.Serve()
	go func() { fault <- d.conn.Receive(d.loop.Deliver) }()
	d.log.Info("group member is up", "version", control.Version, "local", config.Endpoints(d.conn.Local()).String(), "control", d.cfg.Control, "backend", d.path.Load().Name)
	ready()
	var err error
	select {
	case <-ctx.Done():
	case <-d.stop:
	case err = <-fault:
	}
	sctx, scancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer scancel()
	_, cerr := d.loop.Command(sctx, func(id uint64) machine.Event { return gdoi.CmdStop{ID: id} })
	machinery.end()
	system.end()
	if kerr := d.kernel.flush(); kerr != nil { // what the machine said last holds for a guard that stays
		d.kernelFailed(kerr)
	}
	traffic.end()
	if err != nil { // a fault: the guard must stay, as after a crash
		return errors.Join(err, d.server.Close(sctx))
	}
	if text := d.openedByStop(); text != "" {
		d.log.Warn(text)
	}
	return errors.Join(cerr, d.kernel.kernel.Down(), d.server.Close(sctx))
}

// openedByStop says what an orderly stop gives away, if anything.
func (d *Daemon) openedByStop() string {
	if d.cfg.OnExit == "keep" {
		return ""
	}
	for _, g := range d.cfg.Groups {
		if !g.FailOpen {
			return "the guard goes with this stop: what group " + g.Name + " protects may leave in clear from now on; 'on-exit: keep' keeps it guarded"
		}
	}
	return ""
}

// raise sets up the data path, the guard first.
func (d *Daemon) raise(system, traffic *stage) error {
	k := d.kernel.kernel
	if err := k.SetGroups(d.kernel.current()); err != nil {
		return err
	}
	p, err := d.traffic.open()
	if err != nil {
		return err
	}
	if err := k.Up(); err != nil {
		return errors.Join(err, d.path.Load().Close())
	}
	traffic.run(func(ctx context.Context) { d.traffic.run(ctx, p) })
	system.run(d.kernel.run)
	system.run(func(ctx context.Context) {
		for ctx.Err() == nil {
			if err := k.Watch(ctx, d.kernelFailed); err != nil {
				d.kernelFailed(err)
				select {
				case <-ctx.Done():
				case <-time.After(kernelRetry):
				}
			}
		}
	})
	return nil
}

// Snapshot implements process.Daemon.
func (d *Daemon) Snapshot(ctx context.Context) (*control.Snapshot, error) {
	s := &control.Snapshot{
		Name: d.cfg.Name, Role: control.RoleGroupMember, Version: control.Version, GDOIVersion: control.GDOIVersion, PID: os.Getpid(),
		Started: d.started, Local: config.Endpoints(d.conn.Local()).String(), LastSeq: d.journal.Last(),
		Warn: append(slices.Clone(d.cfg.Warnings), d.pki.Warnings(d.clock.Now().Wall)...),
	}
	var e engine.Stats
	var at machine.Now
	err := d.loop.Do(ctx, func(now machine.Now) { // the engine as well: not between two effects of one step
		n := d.node.Snapshot(now)
		e, at = d.engine.Stats(), now
		s.Time, s.Drops, s.GM = now.Wall, translate.Drops(n.Drops), translate.GroupMember(d.cfg, n, e, d.engine.TimeStats(engine.Instant(now.Mono)))
	})
	if err == nil {
		translate.Senders(s.GM, e, d.engine.Windows(engine.Instant(at.Mono), control.MostSenders, translate.WindowParts), at) // need not hold up the loop
		s.Custody = d.custodySnapshot()
		s.GM.DataPath = d.dataPath(e)
		if down := s.GM.DataPath.Down; down != "" {
			s.Warn = append(s.Warn, "the data path is down: "+down)
		}
		if gone := d.addresses.text(); gone != "" {
			s.Warn = append(s.Warn, gone+" is not an address of this machine: key servers cannot reach this member")
		}
	}
	return s, err
}

func (d *Daemon) reregister(ctx context.Context, r control.ReregisterRequest) (string, error) {
	return translate.Command(ctx, d.loop, func(id uint64) machine.Event { return translate.CommandOf(r, id) })
}

// dryRun says what a change would do, and does not do it.
func (d *Daemon) dryRun(ctx context.Context, request any) (control.Reply, error) {
	ev, err := translate.Foreseen(request)
	if err != nil {
		return control.Reply{}, err
	}
	reply, err := translate.DryRun(ctx, d.loop, d.node, ev)
	if _, stop := request.(control.StopRequest); stop {
		if opened := d.openedByStop(); opened != "" {
			reply.Text += "; " + opened
		}
	}
	return reply, err
}

// Reload implements process.Reloader: certificates, authorities and revocation lists are read again.
func (d *Daemon) Reload(ctx context.Context) (string, error) {
	fresh, text, err := d.pki.Renew(ctx, d.loop)
	d.cfg.Certificates = fresh // read by Reconfigure alone, which is called by the same goroutine
	return text, err
}

func (d *Daemon) askStop(context.Context) (string, error) {
	select {
	case d.stop <- struct{}{}:
	default:
	}
	return d.cfg.Name + " is stopping", nil
}
