package compose

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

// The files beside the scenarios are what export writes now.
func TestExportsAreInStep(t *testing.T) {
	there := 0
	for _, name := range topologies.Names() {
		file := filepath.Join("..", "topologies", name, "docker-compose.yml")
		have, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		there++
		s, err := topologies.Load(name, scenario.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := Export(s, Options{Lab: s.LabName(), Scenario: name})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s is not what the scenario says now; getvpn-lab export %s -o lab/topologies/%s writes it", file, name, name)
		}
	}
	if there < 4 {
		t.Errorf("only %d scenarios have a docker-compose.yml", there)
	}
}

// contained is what of a service concerns its rights.
type contained struct {
	Privileged  bool     `yaml:"privileged"`
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	CapAdd      []string `yaml:"cap_add"`
	SecurityOpt []string `yaml:"security_opt"`
	Devices     []string `yaml:"devices"`
	NetworkMode string   `yaml:"network_mode"`
	Pid         string   `yaml:"pid"`
	Volumes     []string `yaml:"volumes"`
}

// Nobody has more rights than the package comment says, in any scenario.
func TestRights(t *testing.T) {
	for _, name := range topologies.Names() {
		s, err := topologies.Load(name, scenario.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := Export(s, Options{Lab: s.LabName(), Scenario: name})
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Services map[string]contained `yaml:"services"`
		}
		if err := yaml.Unmarshal(b, &f); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		nodes := 0
		for service, c := range f.Services {
			node, daemon := strings.CutSuffix(service, daemonSuffix)
			n := s.Node(node)
			caps := []string{"NET_ADMIN", "NET_RAW"}
			if n != nil && !daemon {
				caps = append(caps, "SETGID")
			}
			if service == "prepare" || daemon && n.Kind != scenario.KindMember {
				caps = nil
			}
			if n != nil && !daemon {
				nodes++
			}
			if c.Privileged || !c.ReadOnly || c.Pid != "" || c.NetworkMode == "host" || !slices.Equal(c.CapDrop, []string{"ALL"}) ||
				!slices.Equal(c.CapAdd, caps) && len(c.CapAdd)+len(caps) > 0 || !slices.Contains(c.SecurityOpt, "no-new-privileges:true") ||
				(len(c.Devices) > 0) != (daemon && n.Kind == scenario.KindMember) {
				t.Errorf("%s: service %s has the rights %+v", name, service, c)
			}
		}
		if nodes != len(s.Nodes) {
			t.Errorf("%s: %d of %d nodes are services", name, nodes, len(s.Nodes))
		}
	}
}

// A container sees what is of its node, and nothing of another or of the whole lab: a shell in a member must not read the secrets
// of the key servers, nor a trainee the solution.
func TestOwnFiles(t *testing.T) {
	const base = "${GETVPN_LAB_DIR:-/run/getvpn-lab}/"
	for _, name := range topologies.Names() {
		s, err := topologies.Load(name, scenario.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := Export(s, Options{Lab: "x", Scenario: name})
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Services map[string]contained `yaml:"services"`
		}
		if err := yaml.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		for service, c := range f.Services {
			if service == prepareService {
				continue
			}
			node, daemon := strings.CutSuffix(service, daemonSuffix)
			for _, v := range c.Volumes {
				dir, _, _ := strings.Cut(strings.TrimPrefix(v, base+"x/"), ":")
				kind, of, _ := strings.Cut(dir, "/")
				writes := daemon && slices.Contains([]string{"sockets", "state", "hsm"}, kind) || kind == servicesDir
				if of != node || strings.HasSuffix(v, ":ro") == writes || daemon && (kind == machinesDir || kind == servicesDir) {
					t.Errorf("%s: %s mounts %s", name, service, v)
				}
			}
		}
	}
}

// What a user names is a word of the file, whatever it is.
func TestWordsAreQuoted(t *testing.T) {
	s, err := topologies.Load("basic", scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const odd = "a], privileged: true, x: [${HOME}\nb"
	b, err := Export(s, Options{Lab: "basic", Scenario: odd, Profile: odd})
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Services map[string]struct{ Command []string } `yaml:"services"`
	}
	if err := yaml.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	word := strings.ReplaceAll(odd, "$", "$$") // which docker-compose makes one
	if got := f.Services[prepareService].Command; !slices.Equal(got[4:], []string{"--scenario", word, "--profile", word}) {
		t.Errorf("%q", got)
	}
	if _, err := Export(s, Options{Lab: "a: b"}); err == nil {
		t.Error("any name of a lab is taken")
	}
}

// Labs get different networks, and one that is taken leads to another.
func TestWires(t *testing.T) {
	seen := map[string]bool{}
	for _, lab := range []string{"basic", "hsm", "multicast", "coop_partition"} {
		for try := range 20 {
			seen[wires(lab, try)] = true
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d different networks", len(seen))
	}
}
