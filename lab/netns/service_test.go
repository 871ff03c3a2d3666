package netns

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// served gives p1 of bare a service that runs a line of shell.
func served(line string) string {
	text := strings.Replace(strings.Replace(bare, "program: sleeper, ", "", 1), "{name: p1, kind: core,", "{name: p1, kind: core, services: [routing],", 1)
	return strings.Replace(text, "\nprograms:", "\nservices:\n  routing: {binary: sh, args: [-c, '"+line+"', \"${file}\"], config: \"I am ${node}\"}\nprograms:", 1)
}

// A service lives in its node's network with its file and its directory, and goes with the lab.
func TestService(t *testing.T) {
	l := testLab(t, served("cat $0; exec sleep 1000"))
	st, err := l.State()
	if err != nil {
		t.Fatal(err)
	}
	v := st.Nodes[0].Services[0]
	p := v.Process()
	names, err := namespaces(l.Name())
	if err != nil {
		t.Fatal(err)
	}
	if all := processesIn(names); !p.Alive() || len(all) != 1 || all[0] != p {
		t.Errorf("%+v lives: %v; in the lab: %v", v, p.Alive(), all)
	}
	if path, err := driver.ServiceLog(l, "p1", "routing"); err != nil || driver.Tail(path, 1) != "  I am p1" {
		t.Errorf("%s says %q, %v", path, driver.Tail(path, 1), err)
	}
	if _, err := driver.ServiceLog(l, "p1", "switching"); err == nil || !strings.Contains(err.Error(), "it has: routing") {
		t.Errorf("%v", err)
	}
	out, err := l.Run(t.Context(), "p1", []string{"sh", "-c", "cat $LAB_SERVICES/routing.conf"})
	if err != nil || out != "I am p1" {
		t.Errorf("%q %v", out, err)
	}
	if err := Down(l.Name()); err != nil || p.Alive() {
		t.Errorf("%v; lives: %v", err, p.Alive())
	}
}

// One that ends at once is a lab that does not come up, with what it said.
func TestServiceThatEnds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	s, err := scenario.Parse("test.yaml", []byte(unique(served("echo line 1 is wrong; exit 1"))), scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Up(context.Background(), s.Name, s, nil)
	if err == nil || !strings.Contains(err.Error(), "service routing of p1 has ended by itself") || !strings.Contains(err.Error(), "line 1 is wrong") {
		t.Errorf("%v", err)
	}
	if names, _ := namespaces(s.Name); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
}
