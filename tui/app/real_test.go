package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/vt"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
)

// pair is two cooperating key servers, real ones, each in a process of its own.
type pair struct {
	t    *testing.T
	dir  string // of their files and sockets
	prog string
	cmds [2]*exec.Cmd
}

// freePort is one that nobody listens on.
func freePort(t *testing.T, host string) string {
	t.Helper()
	c, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

func newPair(t *testing.T) *pair {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs key servers")
	}
	p := &pair{t: t, dir: t.TempDir()}
	p.prog = filepath.Join(p.dir, "getvpn-ks")
	if out, err := exec.Command("go", "build", "-o", p.prog, "../../daemon/cmd/getvpn-ks").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	addr := [2]string{freePort(t, "127.0.3.1"), freePort(t, "127.0.3.2")}
	p.write("psk", "a secret of key servers alone\n")
	for i := range addr {
		other := addr[1-i]
		host, _, _ := net.SplitHostPort(addr[i])
		peer, _, _ := net.SplitHostPort(other)
		p.write(fmt.Sprintf("ks%d.yml", i+1), fmt.Sprintf(`
name: ks%[1]d
listen: %[2]s
control: ks%[1]d.sock
state: ks%[1]d
identity: {address: %[3]s}
phase1: {suites: [aes128-sha256-ecp256], lifetime: 1h}
cooperation: {id: %[1]d, priority: %[4]d, profile: fast, peers: [{id: %[5]d, address: "%[6]s"}]}
pre-shared-keys: [{peer: %[7]s, secret-file: psk}]
groups:
  - name: blue
    id: 1234
    authorise: [{address: 127.0.1.0/24}]
    policy: ["deny udp any eq 848 any eq 848", "permit ip 10.0.0.0/8 10.0.0.0/8"]
    tek: {suite: aes-256-gcm, lifetime: 10m}
    kek: {suite: aes-256-cbc, lifetime: 1h}
    rekey: {activation-delay: 10s}
`, i+1, addr[i], host, 200-100*i, 2-i, other, peer))
		p.start(i)
	}
	return p
}

func (p *pair) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) start(i int) {
	p.t.Helper()
	cmd := exec.Command(p.prog, "--config", filepath.Join(p.dir, fmt.Sprintf("ks%d.yml", i+1))) //nolint:gosec // our own program
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.cmds[i] = cmd
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if p.t.Failed() {
			p.t.Logf("ks%d:\n%s", i+1, log.String())
		}
	})
}

func (p *pair) kill(i int) {
	_ = p.cmds[i].Process.Kill()
	_ = p.cmds[i].Wait()
}

// console is the real program at a terminal that a test types at.
type console struct {
	t      *testing.T
	keys   io.Writer
	mu     sync.Mutex
	screen *vt.Emulator
	wrote  chan struct{}
	typed  time.Time
}

func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.screen.Write(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))) // as a terminal's driver does
	select {
	case c.wrote <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (c *console) shown() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.screen.String()
}

// openConsole attaches one to a directory of sockets.
func openConsole(t *testing.T, dir string, o Options) *console {
	t.Helper()
	th, err := theme.New("dark")
	if err != nil {
		t.Fatal(err)
	}
	o.Theme = th
	ctx, cancel := context.WithCancel(t.Context())
	src := source.Dir(dir)
	watched, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(watched); src.Run(ctx) }()
	keys, terminal := io.Pipe()
	c := &console{t: t, keys: terminal, screen: vt.NewEmulator(132, 43), wrote: make(chan struct{}, 1), typed: time.Now()}
	program := tea.NewProgram(New(ctx, src, o), tea.WithInput(keys), tea.WithOutput(c), tea.WithAltScreen(), tea.WithContext(ctx), tea.WithoutSignalHandler())
	go func() { defer close(done); _, _ = program.Run() }()
	t.Cleanup(func() { cancel(); <-done; <-watched })
	program.Send(tea.WindowSizeMsg{Width: 132, Height: 43})
	return c
}

// press types.
func (c *console) press(keys string) {
	c.t.Helper()
	c.typed = time.Now()
	if _, err := io.WriteString(c.keys, keys); err != nil {
		c.t.Fatal(err)
	}
}

// see waits until the screen fits.
func (c *console) see(what, pattern string) {
	c.t.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.After(30 * time.Second)
	for !re.MatchString(c.shown()) {
		select {
		case <-c.wrote:
		case <-limit:
			c.t.Fatalf("%s: never on the screen, which is\n%s", what, c.shown())
		}
	}
	c.t.Logf("%s: %v after the key", what, time.Since(c.typed).Round(time.Millisecond))
}

// TestRealKeyServers drives the console with keys at two key servers that cooperate: new keys, a handover, a crash and a return,
// commands with completion and from history. One that may only look is refused.
func TestRealKeyServers(t *testing.T) {
	p := newPair(t)
	looker := openConsole(t, p.dir, Options{})
	looker.see("both key servers", `2 up`)
	looker.press("r")
	looker.see("a refusal", `read-only: start it with --write`)

	c := openConsole(t, p.dir, Options{Write: true})
	c.see("both key servers", `2 up`)
	c.press("4")
	c.see("a primary, and a secondary", ` primary +● serves(?s:.*) secondary +● serves| secondary +● serves(?s:.*) primary +● serves`)
	first, second := 0, 1 // who was there first is primary: on a busy machine that need not be the one of the higher priority
	if regexp.MustCompile(`ks2 +primary`).MatchString(c.shown()) {
		first, second = 1, 0
	}
	was, next := name(first), name(second)
	c.press("1r")
	c.see("the question", `Rekey group blue with a new TEK`)
	c.press("y")
	c.see("the new key beside the old one", `TEK [0-9a-f]{8} +○ (waiting|receiving)`)

	c.press("4")
	c.see("the key servers", `KEY SERVERS`)
	if second == 1 {
		c.press("\x1b[B") // down
	} else {
		c.press("g") // the first row
	}
	c.press("H")
	c.see("the question", `Make `+next+` primary of group blue`)
	c.press("y")
	c.see("the other one as primary", next+` +primary +●`)

	c.press("1")
	c.see("the pulse", `NODES`)
	p.kill(second)
	c.see("a crash", `down: `+next)
	c.see("who takes over", was+` +● primary`)
	p.start(second)
	c.see("that it is back", next+` +● secondary`)

	c.press(":hando\tb\t--to " + next + "\r")
	c.see("the command, completed", `Make `+next+` primary of group blue`)
	c.press("n")
	c.see("that nothing was done", `nothing was done`)
	c.press(":\x1b[A") // up
	c.see("the command from history", `:handover blue --to `+next)
	c.press("\r")
	c.see("the question again", `Make `+next+` primary of group blue`)
	c.press("y")
	c.see("the other one as primary", next+` +● primary`)
}

func name(i int) string { return fmt.Sprintf("ks%d", i+1) }
