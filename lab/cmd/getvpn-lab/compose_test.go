package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/compose"
)

// engine skips the test where no containers can be had, and says why: CI has neither an image registry nor the time to make a
// base (make base; make image BASE=getvpn-base), so it needs an engine that has the image.
func engine(t *testing.T) {
	t.Helper()
	if err := compose.Engine(t.Context()); err != nil {
		t.Skipf("nothing is proved about containers here: %v", err)
	}
}

// A lab of containers and one of namespaces, side by side: the same commands, and neither is in the other's way.
func TestCompose(t *testing.T) {
	b := build(t)
	engine(t)
	boxes := b.name + "c"
	t.Cleanup(func() {
		if err := drivers.Down(boxes); err != nil {
			t.Error(err)
		}
	})
	b.must("up", "basic", "--driver", "compose", "--profile", "quick", "--name", boxes, "--wait", "3m")
	b.must("up", "multicast", "--name", b.name, "--wait", "3m")
	at := func(args ...string) string { t.Helper(); return b.must(append([]string{"--lab", boxes}, args...)...) }
	if out := at("exec", "gm1", "--", "cat", "/proc/sys/kernel/hostname"); out != "gm1\n" {
		t.Errorf("exec is in %q, not in the container gm1", out)
	}
	at("exec", "h1", "--", "ping", "-c", "1", "-W", "5", "10.1.3.10")
	at("kill", "gm1")
	if out := at("status"); !strings.Contains(out, "killed") {
		t.Errorf("status does not show the killed daemon:\n%s", out)
	}
	if _, _, ok := b.run("--lab", boxes, "exec", "h1", "--", "ping", "-c", "1", "-W", "1", "10.1.3.10"); ok {
		t.Error("the member is dead, and its host still reaches the others: what fails closed must outlive the daemon")
	}
	at("start", "gm1")
	at("pause", "gm2")
	at("resume", "gm2")
	at("partition", "gm3/gm4")
	if _, _, ok := b.run("--lab", boxes, "exec", "h3", "--", "ping", "-c", "1", "-W", "1", "10.1.4.10"); ok {
		t.Error("gm3 and gm4 are apart, and their hosts reach each other")
	}
	at("heal")
	if out := at("logs", "ks1"); !strings.Contains(out, "gm-registered") {
		t.Errorf("log of ks1:\n%s", out)
	}
	if out := b.must("status"); !strings.Contains(out, "lab "+b.name+" ") || !strings.Contains(out, "lab "+boxes+" ") {
		t.Errorf("status does not show both labs:\n%s", out)
	}
	b.must("down", boxes)
	if out := b.must("status"); !strings.Contains(out, "lab "+b.name+" ") {
		t.Errorf("the other lab has gone as well:\n%s", out)
	}
	for _, list := range [][]string{{"ps", "--all"}, {"network", "ls"}} {
		out, err := exec.Command("docker", append(list, "--quiet", "--filter", "label=getvpn.lab="+boxes)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("docker %v after down: %s %v", list, out, err)
		}
	}
}
