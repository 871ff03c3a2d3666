package ks_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

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
	return newTrioWith(t, blue("80s", "200s", "8s"), func(int) string { return "" })
}

// newTrioWith has another group, and more lines in each key server's file.
func newTrioWith(t *testing.T, group string, more func(i int) string) *trio {
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
%[9]s%[8]s`, i+1, addr[i], addr[i].Addr(), 40-10*i, trioTimes, strings.Join(peers, ", "), strings.Join(psks, ", "), group, more(i)))
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

// agreed waits until those key servers follow the same one of them, and serve; it says which. On a loaded machine it need
// not be the one of the highest priority: who comes late finds a primary, and leaves it alone.
func (w *trio) agreed(all ...int) int {
	w.t.Helper()
	var why string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		primary := -1
		why = ""
		for _, i := range all {
			s, err := w.clients[i].Snapshot(w.t.Context())
			if err != nil {
				why = err.Error()
				break
			}
			g := s.KS.Groups[0]
			c := g.Coop
			if primary < 0 {
				primary = c.Primary - 1
			}
			if !c.Ready || c.Primary != primary+1 || (g.Role == control.RolePrimary) != (i == primary) || !slices.Contains(all, primary) {
				why = fmt.Sprintf("ks%d follows %d as %s; ready %t %s", i+1, c.Primary, g.Role, c.Ready, c.Why)
				break
			}
		}
		if why == "" {
			return primary
		}
	}
	w.t.Fatalf("key servers %v do not agree: %s", all, why)
	return -1
}

// lead makes a key server primary, if it is not.
func (w *trio) lead(i int, all ...int) {
	w.t.Helper()
	var refused error
	for range 5 {
		p := w.agreed(all...)
		if p == i {
			return
		}
		_, refused = w.clients[p].Handover(w.t.Context(), control.HandoverRequest{Group: "blue", To: fmt.Sprint(i + 1)}) // it may just have changed
	}
	w.t.Fatalf("ks%d does not become primary: %v", i+1, refused)
}

// TestTrio: three key servers elect one, an operator moves the primary, it is killed and comes back; packets flow, and none
// is lost.
func TestTrio(t *testing.T) {
	w := newTrio(t)
	w.lead(0, 0, 1, 2)
	a, b := w.pair()
	w.until(2, "the members of all key servers", func(g *control.KSGroup, c *control.Coop) bool { return len(g.Members) == 2 })
	stop := stream(t, a, b)
	w.lead(0, 0, 1, 2)
	if _, err := w.clients[2].Rekey(t.Context(), control.RekeyRequest{Group: "blue"}); err == nil || !strings.Contains(err.Error(), "127.0.2.1") {
		t.Errorf("a rekey at a secondary: %v, want the primary's address", err)
	}
	w.lead(1, 0, 1, 2)
	w.kill(1)
	p := w.agreed(0, 2)
	w.until(p, "notice of who is missing", func(g *control.KSGroup, c *control.Coop) bool {
		return slices.Equal(c.Unreachable, []int{2}) && g.Health == "DEGRADED"
	})
	w.start(1)
	p = w.agreed(0, 1, 2)
	epoch := uint64(0)
	w.until(p, "its epoch", func(g *control.KSGroup, c *control.Coop) bool { epoch = c.Epoch; return len(c.Unreachable) == 0 })
	if _, err := w.clients[p].Rekey(t.Context(), control.RekeyRequest{Group: "blue", KEK: true}); err != nil {
		t.Error(err)
	}
	for i := range 3 {
		w.until(i, "the next keys", func(g *control.KSGroup, c *control.Coop) bool { return c.Epoch > epoch })
	}
	w.described("ks1", "ks2", "ks3")
	w.nothingLost(stop)
}

func (w *trio) nothingLost(stop func() (sent, lost int)) {
	w.t.Helper()
	if sent, lost := stop(); sent < 100 || lost != 0 {
		w.t.Errorf("%d of %d packets lost", lost, sent)
	} else {
		w.t.Logf("%d packets", sent)
	}
}

// TestTrioFromNothing: a key server that comes back without its state, key of the store included, gets all of it from the
// others, and members may lose the others then.
func TestTrioFromNothing(t *testing.T) {
	w := newTrio(t)
	w.lead(0, 0, 1, 2)
	a, b := w.pair()
	stop := stream(t, a, b)
	w.kill(0)
	if err := os.RemoveAll(w.path("ks1")); err != nil {
		t.Fatal(err)
	}
	w.agreed(1, 2)
	w.start(0)
	w.agreed(0, 1, 2)
	w.kill(1)
	w.kill(2)
	w.agreed(0)
	w.nothingLost(stop)
}

// TestTrioStore: a primary whose store fails hands over to one whose store works; a slow one goes on.
func TestTrioStore(t *testing.T) {
	w := newTrio(t)
	w.lead(0, 0, 1, 2)
	a, b := w.pair()
	stop := stream(t, a, b)
	p := w.agreed(0, 1, 2)
	w.fault(p, "{store-delay: 100ms}") // a second of the daemons'
	if _, err := w.clients[p].Rekey(t.Context(), control.RekeyRequest{Group: "blue"}); err != nil {
		t.Error(err)
	}
	w.until((p+1)%3, "new keys from a slow disk", func(g *control.KSGroup, c *control.Coop) bool { return c.Epoch >= 2 })
	p = w.agreed(0, 1, 2)
	w.fault(p, "{store-fails: true}")
	_, _ = w.clients[p].Rekey(t.Context(), control.RekeyRequest{Group: "blue"})
	w.until(p, "another primary", func(g *control.KSGroup, c *control.Coop) bool {
		return g.Role == control.RoleSecondary && c.Primary != 0 && c.Primary != p+1
	})
	w.nothingLost(stop)
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
