package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/compose"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// engine skips the test where no containers can be had, and says why. Where an engine answers, CI makes the image first and sets the
// variable: nothing is skipped then.
func engine(t *testing.T) {
	t.Helper()
	if err := compose.Engine(t.Context()); err != nil {
		if os.Getenv("GETVPN_TEST_CONTAINERS") != "" {
			t.Fatal(err)
		}
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
	ownSecrets(t, boxes)
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
	noContainers(t, boxes)
	b.must("down", b.name)
	nothingAtAll(t, boxes)
}

// ownSecrets looks from inside the containers for the values of all secrets of a lab of basic, and for the scenario, wherever they are.
func ownSecrets(t *testing.T, lab string) {
	t.Helper()
	secrets := filepath.Join(driver.Dir(lab), "secrets")
	files, err := os.ReadDir(secrets)
	if err != nil || len(files) < 6 {
		t.Fatalf("%d secrets: %v", len(files), err)
	}
	server := []string{"gm1", "gm2", "gm3", "gm4", "x1"}
	for container, want := range map[string][]string{
		"ks1": server, "ks1-daemon": server, "gm1": {"gm1"}, "gm1-daemon": {"gm1"}, "x1": {"x1-wrong"}, "p1": nil, "h1": nil,
	} {
		out, err := exec.Command("docker", "exec", "gvl-"+lab+"-"+container, "find", driver.Base(), "-type", "f", "-exec", "cat", "{}", "+").CombinedOutput() //nolint:gosec // of this lab
		if err != nil {
			t.Fatalf("%s: %v: %s", container, err, out)
		}
		var have []string
		for _, f := range files {
			value, err := os.ReadFile(filepath.Join(secrets, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(out, bytes.TrimSpace(value)) {
				have = append(have, f.Name())
			}
		}
		if !slices.Equal(have, want) {
			t.Errorf("%s reads the secrets %v, and %v are its own", container, have, want)
		}
		if bytes.Contains(out, []byte("steps:")) {
			t.Errorf("%s reads the scenario", container)
		}
	}
}

// noContainers proves that the engine has nothing of a lab.
func noContainers(t *testing.T, lab string) {
	t.Helper()
	for _, list := range [][]string{{"ps", "--all"}, {"network", "ls"}} {
		out, err := exec.Command("docker", append(list, "--quiet", "--filter", "label=getvpn.lab="+lab)...).CombinedOutput() //nolint:gosec // of this test
		if err != nil || len(out) > 0 {
			t.Errorf("docker %v after down: %s %v", list, out, err)
		}
	}
}

// nothingAtAll is noContainers, and nothingLeft. Who follows the log of a container has yet to see that it has ended.
func nothingAtAll(t *testing.T, lab string) {
	t.Helper()
	noContainers(t, lab)
	until(t, "the end of all processes", func() bool { return len(processesOf(driver.Base())) == 0 })
	nothingLeft(t, driver.Base())
}

// A whole scenario in containers: every check holds there too.
func TestRunInContainers(t *testing.T) {
	b := build(t)
	engine(t)
	out, errs, ok := b.run("run", "basic", "--driver", "compose", "--profile", "quick", "--name", b.name, "--json")
	t.Log(errs)
	if r := decoded[scenario.Report](t, out); !ok || len(r.Checks) < 10 {
		t.Errorf("%d results", len(r.Checks))
	}
	nothingAtAll(t, b.name)
}

// The program is killed in the middle of bringing up containers: while docker-compose makes them, which goes on by itself, and when
// some daemons run and others do not. Down leaves nothing.
func TestDownAfterKillAmongContainers(t *testing.T) {
	b := build(t)
	engine(t)
	containers := func(n int) func() bool {
		return func() bool {
			out, err := exec.Command("docker", "ps", "--all", "--quiet", "--filter", "label=getvpn.lab="+b.name).Output() //nolint:gosec // of this test
			return err == nil && bytes.Count(out, []byte("\n")) >= n
		}
	}
	for moment, come := range map[string]func() bool{
		"files are prepared": containers(1), "machines are made": containers(2), "the first daemon runs": func() bool {
			_, err := os.Stat(filepath.Join(driver.Dir(b.name), "sockets", "ks1.sock"))
			return err == nil
		},
	} {
		cmd := b.lab("up", "basic", "--driver", "compose", "--name", b.name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, moment, come)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		b.must("down", b.name)
		nothingAtAll(t, b.name)
	}
}
