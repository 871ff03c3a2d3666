package ks_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
)

// trio is three key servers of one group, each a process of its own: ks1 has the highest priority, ks3 the lowest.
type trio struct {
	*world
	cmds    [3]*exec.Cmd
	clients [3]*client.Client
}

const (
	trioKey   = "a secret of key servers alone\n"
	trioTimes = "announce: 2s, dead: 6s, query: 1s, retries: 3" // a tenth of that in the world
)

func newTrio(t *testing.T) *trio {
	t.Helper()
	w := &trio{world: newWorld(t)}
	w.write("ks-psk", trioKey)
	var addr [3]netip.AddrPort
	for i := range addr {
		addr[i] = freePort(t, fmt.Sprintf("127.0.2.%d", i+1))
	}
	for i := range addr {
		var peers, psks []string
		for k := range addr {
			if k != i {
				peers = append(peers, fmt.Sprintf(`{id: %d, address: "%s"}`, k+1, addr[k]))
				psks = append(psks, fmt.Sprintf("{peer: %s, secret-file: ks-psk}", addr[k].Addr()))
			}
		}
		w.write(fmt.Sprintf("ks%d.yml", i+1), fmt.Sprintf(`
name: ks%[1]d
listen: %[2]s
control: ks%[1]d.sock
state: ks%[1]d
identity: {address: %[3]s}
phase1: {suites: [aes128-sha256-ecp256], lifetime: 1h}
cooperation: {id: %[1]d, priority: %[4]d, %[5]s, peers: [%[6]s]}
pre-shared-keys: [%[7]s, {peer: 127.0.1.0/24, secret-file: psk}]
groups:
  - name: blue
    id: 1234
    authorise: [{address: 127.0.1.0/24}]
    policy: ["deny udp any eq 848 any eq 848", "deny icmp any any", "permit ip 10.0.0.0/8 10.0.0.0/8"]
    tek: {suite: aes-256-gcm, lifetime: 80s}
    kek: {suite: aes-256-cbc, lifetime: 200s}
    rekey: {activation-delay: 8s}
`, i+1, addr[i], addr[i].Addr(), 40-10*i, trioTimes, strings.Join(peers, ", "), strings.Join(psks, ", ")))
		w.clients[i] = client.New(w.path(fmt.Sprintf("ks%d.sock", i+1)))
	}
	w.ks, w.more = addr[0], addr[1:]
	for i := range addr {
		w.start(i)
	}
	return w
}

func (w *trio) start(i int) { w.cmds[i] = w.startServer(fmt.Sprintf("ks%d.yml", i+1)) }

func (w *trio) kill(i int) {
	w.t.Helper()
	if err := w.cmds[i].Process.Kill(); err != nil {
		w.t.Fatal(err)
	}
	_ = w.cmds[i].Wait()
}

// until waits until key server i says something of the group.
func (w *trio) until(i int, what string, cond func(g *control.KSGroup, c *control.Coop) bool) {
	w.t.Helper()
	await(w.t, w.clients[i], what, func(x control.Watch) bool {
		if x.Snapshot == nil {
			return false
		}
		g := &x.Snapshot.KS.Groups[0]
		return g.Coop != nil && cond(g, g.Coop)
	})
}

// settled waits until those key servers follow one primary, and serve.
func (w *trio) settled(primary int, all ...int) {
	w.t.Helper()
	for _, i := range append([]int{primary}, all...) {
		w.until(i, fmt.Sprintf("agreement on primary ks%d", primary+1), func(g *control.KSGroup, c *control.Coop) bool {
			return c.Ready && c.Primary == primary+1 && (g.Role == control.RolePrimary) == (i == primary)
		})
	}
}

// TestTrio: three key servers elect one, an operator moves the primary, it is killed and comes back; packets flow, and none
// is lost.
func TestTrio(t *testing.T) {
	w := newTrio(t)
	w.settled(0, 1, 2)
	a, b := w.pair()
	w.until(2, "the members of all key servers", func(g *control.KSGroup, c *control.Coop) bool { return len(g.Members) == 2 })
	stop := stream(t, a, b)
	if _, err := w.clients[2].Rekey(t.Context(), control.RekeyRequest{Group: "blue"}); err == nil || !strings.Contains(err.Error(), "127.0.2.1") {
		t.Errorf("a rekey at a secondary: %v, want the primary's address", err)
	}
	if _, err := w.clients[0].Handover(t.Context(), control.HandoverRequest{Group: "blue", To: "2"}); err != nil {
		t.Fatal(err)
	}
	w.settled(1, 0, 2)
	w.kill(1)
	w.settled(0, 2)
	w.until(0, "notice of who is missing", func(g *control.KSGroup, c *control.Coop) bool {
		return len(c.Unreachable) == 1 && c.Unreachable[0] == 2 && g.Health == "DEGRADED"
	})
	w.start(1)
	w.settled(0, 1, 2)
	if _, err := w.clients[0].Rekey(t.Context(), control.RekeyRequest{Group: "blue", KEK: true}); err != nil {
		t.Error(err)
	}
	w.until(1, "the next keys", func(g *control.KSGroup, c *control.Coop) bool { return len(c.Unreachable) == 0 && c.Epoch >= 2 })
	if sent, lost := stop(); sent < 100 || lost != 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	} else {
		t.Logf("%d packets", sent)
	}
}

// TestTrioFromNothing: a key server that comes back without its state, key of the store included, gets all of it from the
// others, and members may lose the others then.
func TestTrioFromNothing(t *testing.T) {
	w := newTrio(t)
	w.settled(0, 1, 2)
	a, b := w.pair()
	stop := stream(t, a, b)
	w.kill(0)
	if err := os.RemoveAll(w.path("ks1")); err != nil {
		t.Fatal(err)
	}
	w.settled(1, 2)
	w.start(0)
	w.settled(1, 0, 2)
	w.kill(1)
	w.kill(2)
	w.settled(0)
	if sent, lost := stop(); sent < 100 || lost != 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
}

// TestTrioStore: a primary whose store fails hands over to one whose store works; a slow one goes on.
func TestTrioStore(t *testing.T) {
	w := newTrio(t)
	w.settled(0, 1, 2)
	a, b := w.pair()
	stop := stream(t, a, b)
	w.fault(0, "{store-delay: 100ms}") // a second of the daemons'
	if _, err := w.clients[0].Rekey(t.Context(), control.RekeyRequest{Group: "blue"}); err != nil {
		t.Error(err)
	}
	w.until(2, "new keys from a slow disk", func(g *control.KSGroup, c *control.Coop) bool { return c.Epoch >= 2 })
	w.fault(0, "{store-fails: true}")
	_, _ = w.clients[0].Rekey(t.Context(), control.RekeyRequest{Group: "blue"})
	w.until(1, "another primary", func(g *control.KSGroup, c *control.Coop) bool { return g.Role == control.RolePrimary && c.Ready })
	if sent, lost := stop(); sent < 100 || lost != 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
}

// fault makes the store of a key server bad.
func (w *trio) fault(i int, faults string) {
	w.t.Helper()
	file := fmt.Sprintf("ks%d.yml", i+1)
	text, err := os.ReadFile(w.path(file))
	if err != nil {
		w.t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "\nfaults:")
	w.write(file, head+"\nfaults: "+faults+"\n")
	if _, err := w.clients[i].Apply(w.t.Context(), control.PlanRequest{}); err != nil {
		w.t.Fatal(err)
	}
}
