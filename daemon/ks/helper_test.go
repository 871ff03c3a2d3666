package ks_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/daemon/control/controltest"
	"github.com/getvpn/getvpn/daemon/gm"
	"github.com/getvpn/getvpn/daemon/ks"
	"github.com/getvpn/getvpn/daemon/loop"
	"github.com/getvpn/getvpn/daemon/netcfg"
	"github.com/getvpn/getvpn/daemon/process"
	"github.com/getvpn/getvpn/esp/tun"
	"github.com/getvpn/getvpn/esp/tun/tuntest"
	"github.com/getvpn/getvpn/esp/wire"
	"github.com/getvpn/getvpn/esp/wire/wiretest"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// speed is how much faster than the world the daemons of these tests live: real sockets, real processes, short waits.
const speed = 10

// patience is how long, in real time, a test waits for what must happen.
const patience = 30 * time.Second

// fast is a clock that runs speed times as fast, the same in every process that was given the same epoch.
type fast struct{ epoch time.Time }

func (f fast) mono() machine.Instant { return machine.Instant(time.Since(f.epoch) * speed) }

func (f fast) Now() machine.Now {
	m := f.mono()
	return machine.Now{Mono: m, Wall: f.epoch.Add(time.Duration(m))}
}

func (f fast) Until(i machine.Instant) time.Duration { return i.Sub(f.mono()) / speed }

var _ loop.Clock = fast{}

// TestMain lets the test binary be a key server that can be killed.
func TestMain(m *testing.M) {
	if file := os.Getenv("GETVPN_TEST_KS"); file != "" {
		epoch, err := strconv.ParseInt(os.Getenv("GETVPN_TEST_EPOCH"), 10, 64)
		if err == nil {
			err = keyServer(file, time.Unix(0, epoch))
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if server := os.Getenv("GETVPN_TEST_MEMBER"); server != "" {
		fmt.Println(stayRegistered(server))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func keyServer(file string, epoch time.Time) error {
	c, err := config.LoadKS(file)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if name := os.Getenv("GETVPN_TEST_LOG"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		log = process.Logger(config.Log{Level: "debug", Format: "json"}, f)
	}
	d, err := ks.New(c, log, ks.Options{Clock: fast{epoch}})
	if err != nil {
		return err
	}
	return process.Supervise(d, log)
}

// world is the files and the clock of one test.
type world struct {
	t     *testing.T
	dir   string
	epoch time.Time
	ks    netip.AddrPort
	ks6   netip.AddrPort   // of a key server that listens on ::1 too
	more  []netip.AddrPort // key servers after ks, of members that start from now on
	extra string           // more lines of the members' files, with %s for the name
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), epoch: time.Now().Round(0)}
	w.ks = freePort(t, "127.0.0.1")
	w.write("ks.yml", fmt.Sprintf(`
name: ks1
listen: %s
control: ks.sock
state: ks
identity: {address: 127.0.0.1}
phase1: {suites: [aes128-sha256-ecp256], lifetime: 1h}
pre-shared-keys:
  - {peer: 127.0.1.0/24, secret-file: psk}
%s`, w.ks, blue("32s", "64s", "4s")))
	w.write("psk", "0123456789abcdef0123456789\n")
	w.write("wrong", "another secret of a stranger\n")
	return w
}

// blue is the group of all tests, with the lifetimes of its TEKs and KEKs.
func blue(tek, kek, delay string) string {
	return fmt.Sprintf(`groups:
  - name: blue
    id: 1234
    authorise: [{address: 127.0.1.0/24}]
    policy: ["deny udp any eq 848 any eq 848", "deny icmp any any", "permit ip 10.0.0.0/8 10.0.0.0/8"]
    tek: {suite: aes-256-gcm, lifetime: %s}
    kek: {suite: aes-256-cbc, lifetime: %s}
    rekey: {activation-delay: %s}
`, tek, kek, delay)
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func freePort(t testing.TB, host string) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// startKS runs a key server in a process of its own.
func (w *world) startKS() *exec.Cmd { return w.startServer("ks.yml") }

// startServer runs the key server of a file.
func (w *world) startServer(file string) *exec.Cmd {
	w.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GETVPN_TEST_KS="+w.path(file), "GETVPN_TEST_EPOCH="+fmt.Sprint(w.epoch.UnixNano()))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if w.t.Failed() && stderr.Len() > 0 {
			w.t.Log(stderr.String())
		}
	})
	return cmd
}

// kernel is a gm.Kernel that changes nothing.
type kernel struct {
	mu     sync.Mutex
	groups []netcfg.Group
	mtu    func(int) int
	calls  []string
}

func (k *kernel) note(s string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, s)
}

func (k *kernel) SetGroups(g []netcfg.Group) error {
	k.note("groups")
	k.mu.Lock()
	defer k.mu.Unlock()
	k.groups = g
	return nil
}

func (k *kernel) Prepare(g []netcfg.Group) (bool, error) { return false, nil }
func (k *kernel) Sync() []error                          { k.note("sync"); return nil }
func (k *kernel) Links() (int, int, error)               { return 1, 2, nil }
func (k *kernel) Drops() (map[string]uint64, error)      { return nil, nil }
func (k *kernel) Up() error                              { k.note("up"); k.mtu(1500); return nil }
func (k *kernel) Down() error                            { k.note("down"); return nil }
func (k *kernel) MTU() (int, int)                        { return 1500, k.mtu(1500) }
func (k *kernel) Watch(ctx context.Context, _ func(error)) error {
	<-ctx.Done()
	return nil
}

// gateway is a group member in this process: real GDOI over loopback, its traffic in memory.
type gateway struct {
	t      *testing.T
	name   string
	client *client.Client
	dev    *tuntest.Device
	kernel *kernel
	daemon *gm.Daemon
	system *gm.System
	stop   context.CancelFunc
	done   chan error
}

func (w *world) startGM(name, addr, secret string, conn wire.Conn) *gateway {
	w.t.Helper()
	ks := w.ks
	if netip.MustParseAddr(addr).Is6() {
		ks = w.ks6
	}
	var servers []string
	for _, a := range append([]netip.AddrPort{ks}, w.more...) {
		servers = append(servers, fmt.Sprintf(`{address: "%s", secret-file: %s}`, a, secret))
	}
	w.write(name+".yml", fmt.Sprintf(`
name: %[1]s
control: %[1]s.sock
state: %[1]s
identity: {address: "%[2]s"}
local: "%[3]s"
interfaces: {lan: [lan0], wan: wan0, tun: gv0}
phase1: {suites: [aes128-sha256-ecp256]}
groups:
  - name: blue
    id: 1234
    key-servers: [%[4]s]
    clear: ["deny tcp any any eq 22"]
    protect: [10.0.0.0/8]
`, name, addr, freePort(w.t, addr), strings.Join(servers, ", "))+strings.ReplaceAll(w.extra, "%s", name))
	return w.runGM(name, conn)
}

// runGM runs the member of a file.
func (w *world) runGM(name string, conn wire.Conn) *gateway {
	w.t.Helper()
	c, err := config.LoadGM(w.path(name + ".yml"))
	if err != nil {
		w.t.Fatal(err)
	}
	m := &gateway{t: w.t, name: name, client: client.New(w.path(name + ".sock")), dev: tuntest.New("gv0", 1400, 4096), done: make(chan error, 1)}
	m.system = &gm.System{
		Kernel: func(c netcfg.Config) (gm.Kernel, error) {
			m.kernel = &kernel{mtu: c.InnerMTU}
			return m.kernel, nil
		},
		Path: func(*config.GM) (*gm.Path, error) {
			return &gm.Path{LAN: []tun.Device{m.dev}, WAN: []wire.Conn{conn}, Name: "memory"}, nil
		},
	}
	d, err := gm.New(c, slog.New(slog.DiscardHandler), gm.Options{Clock: fast{w.epoch}, System: m.system})
	if err != nil {
		w.t.Fatal(err)
	}
	m.daemon = d
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go func() { m.done <- d.Run(ctx, func() {}) }()
	w.t.Cleanup(func() { m.end() })
	return m
}

// end stops the member in order, once.
func (m *gateway) end() {
	m.stop()
	select {
	case err := <-m.done:
		if err != nil {
			m.t.Errorf("%s: %v", m.name, err)
		}
	case <-time.After(patience):
		m.t.Errorf("%s does not end", m.name)
	}
	m.done <- nil
}

// await watches a daemon until the condition holds of its snapshot, or of an event, one of before the call included.
func await(t *testing.T, c *client.Client, what string, cond func(control.Watch) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last control.Snapshot
	replayed := false
	for ctx.Err() == nil {
		wctx, found := context.WithCancel(ctx)
		hit := false
		_ = c.Watch(wctx, func(w control.Watch) {
			if w.Snapshot != nil {
				last = *w.Snapshot
				if !replayed { // the watch has begun, so nothing falls between the two
					replayed = true
					past, _ := c.Events(wctx, 0)
					for i := range past {
						hit = hit || cond(control.Watch{Event: &past[i]})
					}
				}
			}
			if hit = hit || cond(w); hit {
				found()
			}
		})
		found()
		if hit {
			return
		}
		time.Sleep(10 * time.Millisecond) // the daemon is not there (yet): do not spin
	}
	ev, _ := c.Events(context.Background(), 0)
	var b strings.Builder
	for _, e := range ev {
		fmt.Fprintf(&b, "%s %s %s %s\n", e.Time.Format("04:05.000"), e.Name, e.Reason, e.Text)
	}
	t.Fatalf("%s: %s did not happen\nlast snapshot: %+v %+v\nevents:\n%s", c.Path(), what, last.GM, last.KS, b.String())
}

func registered(w control.Watch) bool {
	return w.Snapshot != nil && w.Snapshot.GM != nil && w.Snapshot.GM.Groups[0].State == control.StateRegistered
}

// described holds all that daemons say of themselves against the description that they serve.
func (w *world) described(names ...string) {
	w.t.Helper()
	for _, name := range names {
		controltest.New(w.t, w.path(name+".sock")).Look()
	}
}

func (w *world) ksClient() *client.Client { return client.New(w.path("ks.sock")) }

// packet is a UDP packet between two hosts behind the members.
func packet(src, dst string, n uint32) []byte {
	b := make([]byte, 20+8+4)
	b[0], b[8], b[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], netip.MustParseAddr(src).AsSlice())
	copy(b[16:], netip.MustParseAddr(dst).AsSlice())
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	sum += sum >> 16
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
	binary.BigEndian.PutUint16(b[20:], 1000)
	binary.BigEndian.PutUint16(b[22:], 2000)
	binary.BigEndian.PutUint16(b[24:], 12)
	binary.BigEndian.PutUint32(b[28:], n)
	return b
}

// pair is two registered members with a WAN between them.
func (w *world) pair() (a, b *gateway) {
	ca, cb := wiretest.Pair(4096, nil)
	a = w.startGM("gm1", "127.0.1.1", "psk", ca)
	b = w.startGM("gm2", "127.0.1.2", "psk", cb)
	for _, m := range []*gateway{a, b} {
		await(w.t, m.client, "registration", registered)
	}
	return a, b
}

// stream sends one packet every few milliseconds from a to b, until stop is called, which returns what was sent and lost.
func stream(t *testing.T, a, b *gateway) (stop func() (sent, lost int)) {
	t.Helper()
	quit, sent := make(chan struct{}), make(chan int, 1)
	seen := make(chan [2]int, 1)
	go func() {
		n := 0
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				sent <- n
				return
			case <-tick.C:
				if a.dev.Inject(packet("10.1.0.5", "10.2.0.5", uint32(n))) {
					n++
				}
			}
		}
	}()
	go func() {
		n := 0
		for {
			if b.dev.Next(100*time.Millisecond) != nil {
				n++
				continue
			}
			select {
			case total := <-sent:
				for n < total && b.dev.Next(patience/10) != nil {
					n++
				}
				seen <- [2]int{total, total - n}
				return
			default:
			}
		}
	}()
	return func() (int, int) {
		close(quit)
		r := <-seen
		return r[0], r[1]
	}
}
