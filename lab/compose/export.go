package compose

import (
	"bytes"
	_ "embed"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

const (
	// label marks what belongs to a lab; its value is the lab's name.
	label = "getvpn.lab"
	// kept is the label that says in which directory labs are kept there: driver.Base.
	kept = "getvpn.lab.dir"
	// overhead is what a VXLAN adds to a packet over IPv4 (RFC 7348 §5): Ethernet, VXLAN, UDP and IP headers.
	overhead = 50
	// firstHost is the last number of the address of the first node on wires; docker has the first ones for itself.
	firstHost = 10
	// most nodes have an address on wires.
	most = 240
)

//go:embed docker-compose.tmpl
var text string

var file = template.Must(template.New("docker-compose.yml").Funcs(template.FuncMap{"quote": quote}).Parse(text))

// quote makes a text a string of YAML, in which docker-compose replaces nothing.
func quote(text string) string { return strings.ReplaceAll(strconv.Quote(text), "$", "$$") }

// service is a node in the file.
type service struct {
	Name    string
	Host    int // on wires
	Sysctls []string
	Sees    []mount // the machine
	Tun     bool    // its daemon is a member
	Program string
	Caps    string // of the daemon
	Files   []mount
}

// mount is a directory of the lab, and where the container has it.
type mount struct{ Dir, At, Mode string }

func same(dir, mode string) mount { return mount{dir, dir, mode} }

// Options shape an export.
type Options struct {
	Lab      string // its name
	Scenario string // one of those that come with getvpn-lab; none: it is in the run directory
	Profile  string
}

// Export writes a scenario as a docker-compose.yml.
func Export(s *scenario.Scenario, o Options) ([]byte, error) {
	if !scenario.ValidName(o.Lab) {
		return nil, fmt.Errorf("lab name %q: a letter and up to 23 more letters, digits or underscores, in lower case", o.Lab)
	}
	if len(s.Nodes) > most {
		return nil, fmt.Errorf("scenario %s has %d nodes; containers have addresses for %d", s.Name, len(s.Nodes), most)
	}
	data := struct {
		About *scenario.Scenario
		Options
		Label, Kept string
		Wires       string
		MTU         int
		Services    []service
	}{s, o, label, kept, wires(o.Lab, 0), overhead + 1500, nil}
	for _, l := range s.Links {
		data.MTU = max(data.MTU, overhead+l.MTU)
	}
	for i := range s.Nodes {
		data.Services = append(data.Services, serviceOf(s, i))
	}
	var out bytes.Buffer
	if err := file.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("docker-compose.yml: %w", err)
	}
	return out.Bytes(), nil
}

func serviceOf(s *scenario.Scenario, i int) service {
	n := &s.Nodes[i]
	out := service{Name: n.Name, Host: host(s, n.Name)}
	all := driver.Sysctls(s, n)
	if n.Program != "" {
		all["net/ipv4/ip_unprivileged_port_start"] = fmt.Sprint(driver.PortGDOI)
	}
	if s.Multicast && n.Kind == scenario.KindCore {
		all["net/ipv4/igmp_max_memberships"] = "1000"
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out.Sysctls = append(out.Sysctls, fmt.Sprintf("%s: %q", strings.ReplaceAll(name, "/", "."), all[name]))
	}
	out.Sees = []mount{same(machinesDir+"/"+n.Name, ":ro")}
	if len(n.Services) > 0 {
		out.Sees = append(out.Sees, same(servicesDir+"/"+n.Name, ""))
	}
	if n.Program == "" {
		return out
	}
	out.Program = s.Programs[n.Program].Binary
	out.Tun = n.Kind == scenario.KindMember
	out.Caps = "[]"
	if out.Tun {
		out.Caps = "[NET_ADMIN, NET_RAW]"
	}
	out.Files = []mount{{socketsDir + "/" + n.Name, socketsDir, ""}, same("config/"+n.Name, ":ro")}
	if n.HSM != nil {
		out.Files = append(out.Files, same("hsm/"+n.Name, ""))
	}
	for _, m := range out.Files {
		out.Sees = append(out.Sees, mount{m.Dir, m.At, ":ro"})
	}
	out.Files = append(out.Files, same("state/"+n.Name, ""))
	return out
}

// wires is a /24 for the docker network of a lab, without its last number: one of those for measurements (RFC 2544 §C.2.2), which
// no scenario and no real network has. Names lead to different ones, mostly; the next try is another.
func wires(lab string, try int) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(lab))            // never fails
	n := (h.Sum32() + uint32(try)*7) % 512 //nolint:gosec // few tries
	return fmt.Sprintf("198.%d.%d", 18+n/256, n%256)
}

// host is the number of a node on wires.
func host(s *scenario.Scenario, node string) int {
	return firstHost + slices.IndexFunc(s.Nodes, func(n scenario.Node) bool { return n.Name == node })
}
