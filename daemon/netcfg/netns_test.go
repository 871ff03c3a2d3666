package netcfg

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// lab is h1 - gm1 - p1 - gm2 - h2 in namespaces of its own:
//
//	h1 10.1.1.2 ─ lan0 10.1.1.1 gm1 wan0 10.0.1.1 ─ 10.0.1.2 p1 10.0.2.2 ─ wan0 10.0.2.1 gm2 lan0 10.2.2.1 ─ 10.2.2.2 h2
type lab struct {
	t      testing.TB
	prefix string
}

func newLab(t testing.TB) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces, TUN, raw sockets, nftables")
	}
	l := &lab{t, fmt.Sprintf("gvnc%d-", os.Getpid())}
	nodes := []string{"h1", "gm1", "p1", "gm2", "h2"}
	t.Cleanup(func() {
		for _, n := range nodes {
			_ = exec.Command("ip", "netns", "del", l.prefix+n).Run()
		}
	})
	for _, n := range nodes {
		l.host("ip", "netns", "add", l.prefix+n)
		l.in(n, "ip", "link", "set", "lo", "up")
		l.in(n, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
	}
	for _, v := range []struct{ a, ai, aa, b, bi, ba string }{
		{"h1", "eth0", "10.1.1.2/24", "gm1", "lan0", "10.1.1.1/24"},
		{"gm1", "wan0", "10.0.1.1/24", "p1", "p10", "10.0.1.2/24"},
		{"p1", "p11", "10.0.2.2/24", "gm2", "wan0", "10.0.2.1/24"},
		{"gm2", "lan0", "10.2.2.1/24", "h2", "eth0", "10.2.2.2/24"},
	} {
		l.host("ip", "link", "add", v.ai, "netns", l.prefix+v.a, "type", "veth", "peer", "name", v.bi, "netns", l.prefix+v.b)
		for _, e := range [][3]string{{v.a, v.ai, v.aa}, {v.b, v.bi, v.ba}} {
			l.in(e[0], "ip", "addr", "add", e[2], "dev", e[1])
			l.in(e[0], "ip", "link", "set", e[1], "up")
		}
	}
	l.in("h1", "ip", "route", "add", "default", "via", "10.1.1.1")
	l.in("h2", "ip", "route", "add", "default", "via", "10.2.2.1")
	l.in("gm1", "ip", "route", "add", "default", "via", "10.0.1.2")
	l.in("gm2", "ip", "route", "add", "default", "via", "10.0.2.2")
	l.in("p1", "ip", "route", "add", "10.1.0.0/16", "via", "10.0.1.1")
	l.in("p1", "ip", "route", "add", "10.2.0.0/16", "via", "10.0.2.1")
	l.in("p1", "sysctl", "-qw", "net.ipv4.ip_forward=1")
	// The strictest surroundings: the member must loosen what it needs.
	for _, g := range []string{"gm1", "gm2"} {
		l.in(g, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.ip_forward=0")
	}
	return l
}

func (l *lab) host(args ...string) string {
	l.t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (l *lab) in(node string, args ...string) string {
	l.t.Helper()
	return l.host(append([]string{"ip", "netns", "exec", l.prefix + node}, args...)...)
}

// try is in for a command that may fail.
func (l *lab) try(node string, args ...string) (string, error) {
	out, err := exec.Command("ip", append([]string{"netns", "exec", l.prefix + node}, args...)...).CombinedOutput()
	return string(out), err
}

// ping says how many answers came.
func (l *lab) ping(node string, a pingArg) (n int) {
	l.t.Helper()
	p := l.run(node, "ping", a)
	p.decode(&n)
	_ = p.cmd.Wait()
	return n
}

// proc is a helper that runs inside a node.
type proc struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	errs output
}

// output is what a helper says on standard error.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// said is what a running helper has said on standard error since the last call.
func (p *proc) said() string {
	p.errs.mu.Lock()
	defer p.errs.mu.Unlock()
	defer p.errs.text.Reset()
	return p.errs.text.String()
}

// run starts a role of helper_test.go inside a node. It waits for "ready" unless the role is a probe.
func (l *lab) run(node, role string, arg any) *proc {
	l.t.Helper()
	text, ok := arg.(string)
	if !ok {
		b, err := json.Marshal(arg)
		if err != nil {
			l.t.Fatal(err)
		}
		text = string(b)
	}
	p := &proc{t: l.t, cmd: exec.Command("ip", "netns", "exec", l.prefix+node, os.Args[0])}
	p.cmd.Env = append(os.Environ(), roleEnv+"="+role, argEnv+"="+text,
		"GORACE=atexit_sleep_ms=0") // the race detector would wait a second at the end of each helper
	p.cmd.Stderr = &p.errs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		l.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	if role != "probe" && role != "trace" && role != "sweep" {
		if line, err := p.out.ReadString('\n'); line != "ready\n" {
			_ = p.cmd.Wait()
			l.t.Fatalf("%s in %s: %q %v\n%s", role, node, line, err, p.errs.String())
		}
	}
	return p
}

// decode reads the next JSON value that the helper prints.
func (p *proc) decode(v any) {
	p.t.Helper()
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		_ = p.cmd.Wait()
		p.t.Fatalf("helper: %v\n%s", err, p.errs.String())
	}
	if err := json.Unmarshal(line, v); err != nil {
		p.t.Fatalf("%s: %v", line, err)
	}
}

// signal ends a helper and waits for it.
func (p *proc) signal(s syscall.Signal) error {
	_ = p.cmd.Process.Signal(s)
	err := p.cmd.Wait()
	if said := p.errs.String(); said != "" {
		p.t.Logf("helper said: %s", said)
	}
	return err
}

type memberState struct {
	Net    State          `json:"net"`
	Error  string         `json:"error"`
	Wire   map[string]any `json:"wire"`
	Engine map[string]any `json:"engine"`
	Drops  map[string]int `json:"drops"`
}

// change gives a running member another policy, as daemon/gm does.
func (p *proc) change(a policyArg) {
	p.t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		p.t.Fatal(err)
	}
	var answer string
	if p.decode(&answer); answer != "<nil>" {
		p.t.Error(answer)
	}
}

func (p *proc) state() memberState {
	p.t.Helper()
	if _, err := io.WriteString(p.in, "state\n"); err != nil {
		p.t.Fatal(err)
	}
	var s memberState
	p.decode(&s)
	return s
}

func (l *lab) probe(node string, a probeArg) probeResult {
	l.t.Helper()
	if a.Count == 0 {
		a.Count = 5
	}
	if a.Wait == 0 {
		a.Wait = 1000
	}
	p := l.run(node, "probe", a)
	var r probeResult
	p.decode(&r)
	_ = p.cmd.Wait()
	return r
}

// captured returns what p1 received from gm1's and gm2's side while f ran.
func (l *lab) captured(f func()) map[string]int {
	l.t.Helper()
	a, b := l.run("p1", "capture", "p10"), l.run("p1", "capture", "p11")
	f()
	all := map[string]int{}
	for _, c := range []*proc{a, b} {
		_ = c.in.Close()
		var m map[string]int
		c.decode(&m)
		_ = c.cmd.Wait()
		for k, n := range m {
			all[k] += n
		}
	}
	return all
}

// patience is how long a test waits for what must happen, on a machine with other work as well.
const patience = 30 * time.Second

// eventually asks until the answer is yes; there is no event to wait for in another process.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Errorf("not within %s: %s", patience, what)
}
