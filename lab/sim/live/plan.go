package live

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/sim"
)

// Plan is all that a run follows from: plan.json in the run directory, beside the scenario.
type Plan struct {
	Seed  uint64    `json:"seed"`
	Epoch time.Time `json:"epoch"` // the wall time at which the run begins
	// Start is the time to which the run is brought before anybody sees it: that of a fork.
	Start  time.Duration `json:"start"`
	Forked string        `json:"forked,omitempty"` // from which lab
	// Virtual is a run whose time goes only where somebody sends it; see Virtual.
	Virtual bool    `json:"virtual,omitempty"`
	Orders  []Order `json:"orders"`
	// Vars are those of the scenario, Draw is the seed of its drawn values, when it has some, and Sabotaged says that it is broken on
	// purpose: Stage sets them.
	Vars      map[string]string `json:"vars"`
	Draw      uint64            `json:"draw,omitempty"`
	Sabotaged bool              `json:"sabotaged,omitempty"`

	scenario *scenario.Scenario
	config   sim.Config
	chat     chatter
	dir      string            // where it is staged
	texts    map[string]string // the files of the daemons at the beginning
}

// chatter is the traffic that counters count.
type chatter struct {
	rate   uint64
	packet policy.Packet
}

// Stage makes the nodes of a scenario ready: the configuration files that the daemons would read, in a directory of the caller's, and
// what the simulator makes of them. It says clearly what it has no model of.
func (p *Plan) Stage(s *scenario.Scenario, dir string) error {
	p.scenario, p.dir, p.texts = s, dir, map[string]string{}
	p.Vars, p.Draw, p.Sabotaged = s.Vars, s.Seed, s.Sabotaged
	if err := Carries(s); err != nil {
		return err
	}
	for _, d := range []string{"config", "secrets", "state", "sockets"} {
		mode := os.FileMode(0o700)
		if d == "sockets" {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Join(dir, d), mode); err != nil {
			return fmt.Errorf("run directory: %w", err)
		}
	}
	for _, name := range s.Secrets {
		// They protect nothing: no datagram of a run leaves the process. That they follow from the seed makes the run do so.
		sum := sha256.Sum256(fmt.Appendf(nil, "the simulator's secret %s of seed %d", name, p.Seed))
		text := base64.RawStdEncoding.EncodeToString(sum[:]) + "\n"
		if err := os.WriteFile(filepath.Join(dir, "secrets", name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("secret: %w", err)
		}
	}
	if err := p.certify(); err != nil {
		return err
	}
	cast := new(sim.Cast)
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Program != "" && (n.Kind == scenario.KindKeyServer || n.Kind == scenario.KindMember) {
			if err := p.enlist(cast, n); err != nil {
				return err
			}
		}
	}
	p.config = sim.Config{
		Seed: p.Seed, Epoch: p.Epoch, StartSpread: startSpread,
		Network: sim.Network{Latency: 500 * time.Microsecond, Jitter: time.Millisecond},
	}
	if p.Virtual {
		p.config.StartAfter = startAfter
	}
	if err := p.config.Enlist(cast); err != nil {
		return err
	}
	p.chat = talk(s)
	return nil
}

// read reads the scenario of a lab in its run directory, for Stage.
func (p *Plan) read(dir string) (*scenario.Scenario, error) {
	s, err := driver.ReadScenario(dir, p.Vars, p.Draw)
	if err == nil {
		s.Sabotaged = p.Sabotaged // its variables are in those of the plan
	}
	return s, err
}

// enlist adds a node, with the file that its daemon would have.
func (p *Plan) enlist(cast *sim.Cast, n *scenario.Node) (err error) {
	if n.HSM != nil {
		dir := filepath.Dir(p.pin(n.Name))
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(p.pin(n.Name), []byte("simulated\n"), 0o600)); err != nil {
			return fmt.Errorf("token of %s: %w", n.Name, err)
		}
	}
	if p.texts[n.Name], err = p.render(n); err != nil {
		return err
	}
	if err := p.put(n.Name, p.texts[n.Name]); err != nil {
		return err
	}
	part, err := p.load(n.Name)
	if part.Manual = n.Manual; err != nil {
		return err
	}
	if part.KS != nil {
		cast.KeyServers = append(cast.KeyServers, part)
	} else {
		cast.Members = append(cast.Members, part)
	}
	return nil
}

func socket(dir, node string) string { return filepath.Join(dir, "sockets", node+".sock") }

// talk is a ping between the first two hosts behind different members.
func talk(s *scenario.Scenario) (c chatter) {
	var ends []netip.Addr
	for _, h := range s.Named(scenario.KindHost) {
		if s.MemberOf(h) != "" && len(ends) < 2 {
			ends = append(ends, s.Address(h))
		}
	}
	if len(ends) < 2 {
		return c
	}
	const icmp = 1
	c.packet, c.rate = policy.Packet{Src: ends[0], Dst: ends[1], Proto: icmp}, 10
	if n, err := strconv.ParseUint(s.Vars["rate"], 10, 32); err == nil && n > 0 {
		c.rate = n
	}
	return c
}

// startSpread is the time within which members start, and startAfter what the key servers of a Virtual lab have to find each other
// before: as long as those of other drivers have at least.
const (
	startSpread = 500 * time.Millisecond
	startAfter  = time.Second
)

const planFile = "plan.json"

// write replaces the file.
func (p *Plan) write(dir string) error {
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	path := filepath.Join(dir, planFile)
	err = os.WriteFile(path+".new", append(b, '\n'), 0o600)
	if err == nil { // half of a plan does not replace a whole one
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return nil
}

// readPlan reads it, without what Stage makes.
func readPlan(dir string) (*Plan, error) {
	b, err := os.ReadFile(filepath.Join(dir, planFile))
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	p := new(Plan)
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("plan: %s is damaged: %w", filepath.Join(dir, planFile), err)
	}
	return p, nil
}
