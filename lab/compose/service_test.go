package compose

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

// Whatever thread has started a program, it is among the children.
func TestChildren(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(children(os.Getpid()), cmd.Process.Pid) {
		t.Error("the child is not found")
	}
	_ = in.Close()
	_ = cmd.Wait()
}

// A machine knows its own links, routes and services, which is enough for it, and nothing of what others are.
func TestNetworkFiles(t *testing.T) {
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	s, err := topologies.Load("policy-scope", scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := open("files", s).writeNetworks(); err != nil {
		t.Fatal(err)
	}
	n, err := readNetwork("files", "p1")
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Links) != len(s.Node("p1").Addresses) || len(n.Routes) != len(s.Node("p1").Routes) || len(n.Services) != 1 || len(n.Multicast) > 0 {
		t.Errorf("%+v", n)
	}
	if _, err := os.Stat(logOf("files", "p1", "bird")); !os.IsNotExist(err) {
		t.Errorf("the service has run: %v", err)
	}
	if _, err := os.Stat(driver.Dir("files") + "/services/p1/bird.conf"); err != nil {
		t.Error(err)
	}
	if to, err := os.Readlink(driver.Dir("files") + "/sockets/ks1.sock"); err != nil || to != "ks1/ks1.sock" {
		t.Errorf("%q %v", to, err)
	}
}
