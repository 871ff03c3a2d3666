package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// say runs a command line and returns all that it said, and the exit code.
func say(t *testing.T, args ...string) (out, errors string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	c := command()
	c.SetArgs(args)
	c.SetOut(&o)
	c.SetErr(&e)
	err := c.ExecuteContext(t.Context())
	return o.String(), e.String(), exitCode(err)
}

// TestClassic: the words of routers beside our own views, their exit codes, and what does not go with them.
func TestClassic(t *testing.T) {
	socket := serve(t)
	for _, row := range []struct {
		line string
		code int
		want string
	}{
		{"show ks", 0, "Total group members registered to this box: 4\n"},
		{"show crypto gkm ks mem sum", 0, "GMDB state: LOCAL, Group Members: 4"},
		{"show gdoi group blue", 0, "Group Name               : blue (Unicast)"},
		{"show ks coop", 0, "*NO* redundancy configured for this group"},
		{"show coop", 0, "*NO* redundancy"}, // our view keeps its name
		{"show ks policy --json", 0, `"remaining_life_secs": 93`},
		{"show ks members 172.16.2.2", 0, "Group Member ID    : 172.16.2.2"},
		{"show ks --node ks1", 0, "Key Server Information For Group blue:"},
		{"show ks --node ks7", 1, ""}, {"show gm --node ks1", 1, ""}, {"show gm", 1, ""}, {"show gdoi group green", 1, ""},
		{"show ks what", 2, ""}, {"show crypto ipsec sa", 2, ""}, {"show ks --format csv", 2, ""}, {"show members --node ks1", 2, ""},
	} {
		out, _, code := say(t, append(strings.Fields(row.line), "--socket", socket)...)
		if code != row.code || !strings.Contains(out, row.want) {
			t.Errorf("%s: exit code %d, want %d; printed %q, want %q in it", row.line, code, row.code, out, row.want)
		}
		if strings.Contains(out, "#show") {
			t.Errorf("%s: a prompt, where only one device is attached", row.line)
		}
	}
	if out, _, _ := say(t, "__complete", "--socket", socket, "show", "ks", "me"); !strings.HasPrefix(out, "members\n") {
		t.Errorf("completes to %q", out)
	}
	if out, _, _ := say(t, "show", "--help"); !strings.Contains(out, "show gm dataplane counters") || !strings.Contains(out, "show members --filter") {
		t.Error("help does not have both kinds of commands")
	}
}

// daemons starts two cooperating key servers, the real ones, in processes of their own; what a member of such a group said is
// served beside them. It returns the directory of the sockets, and how to kill a key server.
func daemons(t *testing.T) (dir string, kill func(i int)) {
	t.Helper()
	dir = t.TempDir()
	binary := filepath.Join(dir, "getvpn-ks")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/getvpn/getvpn/daemon/cmd/getvpn-ks").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("psk", "a secret of key servers alone\n")
	var addr [2]string
	for i := range addr {
		c, err := net.ListenPacket("udp", fmt.Sprintf("127.0.5.%d:0", i+1))
		if err != nil {
			t.Fatal(err)
		}
		addr[i] = c.LocalAddr().String()
		_ = c.Close()
	}
	var cmds [2]*exec.Cmd
	for i := range addr {
		write(fmt.Sprintf("ks%d.yml", i+1), fmt.Sprintf(`
name: ks%[1]d
listen: "%[2]s"
control: ks%[1]d.sock
state: ks%[1]d
identity: {address: 127.0.5.%[1]d}
phase1: {suites: [aes128-sha256-ecp256]}
cooperation: {id: %[1]d, priority: %[4]d, announce: 200ms, dead: 600ms, query: 100ms, retries: 3, peers: [{id: %[5]d, address: "%[3]s"}]}
pre-shared-keys: [{peer: 127.0.5.0/24, secret-file: psk}]
groups:
  - name: blue
    id: 1234
    authorise: [{address: 127.0.1.0/24}]
    policy: ["deny udp any eq 848 any eq 848", "permit ip 10.0.0.0/8 10.0.0.0/8"]
`, i+1, addr[i], addr[1-i], 40-10*i, 2-i))
		cmd := exec.Command(binary, "--config", filepath.Join(dir, fmt.Sprintf("ks%d.yml", i+1)))
		cmd.Dir = dir
		var log bytes.Buffer
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds[i] = cmd
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if t.Failed() {
				t.Log(log.String())
			}
		})
	}
	serveMember(t, filepath.Join(dir, "gm1.sock"))
	return dir, func(i int) {
		_ = cmds[i].Process.Kill()
		_ = cmds[i].Wait()
	}
}

// serveMember answers with what a member has said.
func serveMember(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile("../../classic/testdata/gm1.json")
	if err != nil {
		t.Fatal(err)
	}
	snap := &control.Snapshot{}
	if err := json.Unmarshal(b, snap); err != nil {
		t.Fatal(err)
	}
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := control.NewServer(control.Handlers{Snapshot: func(context.Context) (*control.Snapshot, error) { return snap, nil }}, &control.Journal{})
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(context.Background()); <-done })
}

// elected waits until one key server is primary and the other follows it; it returns the primary's place.
func elected(t *testing.T, dir string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	src := source.Dir(dir)
	watched := make(chan struct{})
	go func() { defer close(watched); src.Run(ctx) }()
	defer func() { cancel(); <-watched }()
	for {
		fleet, ok := src.Next(ctx)
		if !ok {
			t.Fatalf("no primary in time: %+v", src.Fleet().Nodes)
		}
		all := fleet.ServersOf("blue")
		if len(all) != 2 || all[0].Group.Coop == nil || all[1].Group.Coop == nil {
			continue
		}
		a, b := all[0].Group.Coop, all[1].Group.Coop
		if a.Ready && b.Ready && a.Primary == b.Primary && a.Role != b.Role {
			return a.Primary - 1
		}
	}
}

// TestClassicLive: real key servers, asked as routers are.
func TestClassicLive(t *testing.T) {
	dir, kill := daemons(t)
	p := elected(t, dir)
	name := func(i int) string { return fmt.Sprintf("ks%d", i+1) }
	out, _, code := say(t, "show", "ks", "coop", "detail", "--dir", dir)
	if code != 0 || strings.Count(out, "#show crypto gdoi ks coop detail\n") != 2 || !strings.HasPrefix(out, "ks1#show") || strings.Contains(out, "gm1") {
		t.Errorf("exit code %d of:\n%s", code, out)
	}
	for i, role := range map[int]string{p: "Primary ", 1 - p: "Secondary"} {
		out, _, code := say(t, "show", "ks", "coop", "detail", "--dir", dir, "--node", name(i))
		want := []string{fmt.Sprintf("Local KS Role: %-9s , Local KS Status: Alive", role), fmt.Sprintf("Local Address: 127.0.5.%d", i+1), fmt.Sprintf("Peer Address: 127.0.5.%d", 2-i), "IKE status: Established"}
		for _, w := range want {
			if code != 0 || !strings.Contains(out, w) {
				t.Errorf("%s: exit code %d, no %q in:\n%s", name(i), code, w, out)
			}
		}
	}
	for line, want := range map[string]string{
		"show ks policy --node " + name(p):            "# of teks : 1  Seq num : ",
		"show ks acl --node " + name(p):               "access-list blue  permit ip 10.0.0.0 0.255.255.255 10.0.0.0 0.255.255.255",
		"show ks identifier detail --node " + name(p): "Transform Mode           : Counter (Suite-B)",
		"show ks members summary --node " + name(p):   "GMDB state: REDUNDANT, Group Members: 0",
		"show gdoi": "gm1#show crypto gdoi\nGROUP INFORMATION\n",
		"show gm":   "gm1#show crypto gdoi gm\nGroup Member Information For Group blue:",
	} {
		if out, _, code := say(t, append(strings.Fields(line), "--dir", dir)...); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d, no %q in:\n%s", line, code, want, out)
		}
	}
	kill(1 - p)
	out, errors, code := say(t, "show", "ks", "--dir", dir, "--json")
	var blocks []struct {
		Node, Command string
		Data          struct{ Groups []map[string]any }
	}
	if err := json.Unmarshal([]byte(out), &blocks); err != nil || len(blocks) != 1 || blocks[0].Node != name(p) || blocks[0].Data.Groups[0]["group_name"] != "blue" {
		t.Errorf("with one key server dead: %v in %s", err, out)
	}
	if code != 1 || !strings.Contains(errors, name(1-p)+": ") {
		t.Errorf("with one key server dead: exit code %d and %q", code, errors)
	}
}
