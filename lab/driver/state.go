package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/lab/scenario"
)

// State is lab.json; the package comment documents it.
type State struct {
	Name      string            `json:"name"`
	Scenario  string            `json:"scenario"`
	Driver    string            `json:"driver"`
	Dir       string            `json:"dir"`
	Created   time.Time         `json:"created"`
	Vars      map[string]string `json:"vars"`
	Seed      uint64            `json:"seed,omitempty"`      // of the scenario's drawn values, when it has some
	Sabotaged bool              `json:"sabotaged,omitempty"` // broken on purpose, as the scenario says
	Protected []netip.Prefix    `json:"protected"`
	Nodes     []NodeState       `json:"nodes"`
	Links     []LinkState       `json:"links"`
	Faults    []Fault           `json:"faults"`
	Turned    int               `json:"turned,omitempty"` // how often the time of a simulated lab was turned back: what its daemons said before is void
}

// NodeState is one node in lab.json.
type NodeState struct {
	Name      string         `json:"name"`
	Kind      scenario.Kind  `json:"kind"`
	Namespace string         `json:"namespace,omitempty"` // of netns
	Container string         `json:"container,omitempty"` // of compose; the daemon has another one
	Addresses []netip.Prefix `json:"addresses"`
	Outsider  bool           `json:"outsider"`
	Program   string         `json:"program,omitempty"`
	PID       int            `json:"pid,omitempty"`
	PIDStart  uint64         `json:"pid_start,omitempty"`
	Wanted    string         `json:"wanted,omitempty"`
	Since     time.Time      `json:"since,omitzero"` // when that was wanted, if it is not to run; by the calendar of the lab
	Socket    string         `json:"socket,omitempty"`
	Config    string         `json:"config,omitempty"`
	Log       string         `json:"log,omitempty"`
	Services  []ServiceState `json:"services,omitempty"`
}

// ServiceState is a program that runs in a node beside its daemon.
type ServiceState struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"`
	PIDStart uint64 `json:"pid_start"`
	Log      string `json:"log"`
}

// Process is the program, which may have ended.
func (v ServiceState) Process() Process { return Process{v.PID, v.PIDStart} }

// want notes what a command wants of a daemon now.
func (n *NodeState) want(what string) {
	n.Wanted, n.Since = what, time.Time{}
	if what != WantedRunning {
		n.Since = time.Now().UTC()
	}
}

// What the last command wanted of a daemon.
const (
	WantedRunning = "running"
	WantedStopped = "stopped"
	WantedKilled  = "killed"
	WantedPaused  = "paused" // it lives, and does nothing
)

// LinkState is one link in lab.json.
type LinkState struct {
	A          string `json:"a"`
	AInterface string `json:"a_interface"`
	B          string `json:"b"`
	BInterface string `json:"b_interface"`
}

// Fault is something that the lab breaks on purpose.
type Fault struct {
	Kind  string     `json:"kind"` // "partition" or "token lost"
	Spec  string     `json:"spec"`
	Since time.Time  `json:"since"`
	Until *time.Time `json:"until,omitempty"` // the kernel lifts it by itself then, or the simulator by its clock
	By    string     `json:"by,omitempty"`    // who broke it
}

// whoVariable is the environment variable in which a program that runs getvpn-lab says who asked it to.
const whoVariable = "GETVPN_LAB_BY"

// who is whoever breaks something now: what the variable says, or the command of this program, "getvpn-lab run".
func who() string {
	if by := os.Getenv(whoVariable); by != "" {
		return by
	}
	by := filepath.Base(os.Args[0])
	if len(os.Args) > 1 {
		by += " " + os.Args[1]
	}
	return by
}

// Process is the daemon of the node, which may have ended.
func (n *NodeState) Process() Process { return Process{n.PID, n.PIDStart} }

// Base is the directory below which all labs have their run directories.
func Base() string { return client.LabDir() }

// MakeBase makes it. What an ordinary user has there is for no other; one that another user was quicker to make is refused.
func MakeBase() error {
	mode := os.FileMode(0o755)
	if os.Geteuid() != 0 {
		mode = 0o700
	}
	if err := os.MkdirAll(Base(), mode); err != nil {
		return fmt.Errorf("run directory: %w (GETVPN_LAB_DIR names another place)", err)
	}
	if err := client.TrustLabDir(); err != nil && !errors.Is(err, fs.ErrNotExist) { // with the last lab of another command it may have gone
		return fmt.Errorf("run directory: %w", err)
	}
	return nil
}

// RemoveBase takes it away if the user did not name it, and it is empty.
func RemoveBase() {
	if os.Getenv("GETVPN_LAB_DIR") == "" {
		_ = os.Remove(Base())
	}
}

// Dir is the run directory of a lab.
func Dir(lab string) string { return filepath.Join(Base(), lab) }

// ErrNotUp says that there is no such lab.
var ErrNotUp = errors.New("lab is not up")

// ReadState reads lab.json.
func ReadState(lab string) (*State, error) {
	var b []byte
	err := client.TrustLabDir()
	if err == nil {
		b, err = os.ReadFile(filepath.Join(Dir(lab), "lab.json"))
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(Dir(lab)); err == nil && scenario.ValidName(lab) {
			return nil, fmt.Errorf("lab %s is half a lab: it is just being brought up, or that was interrupted; getvpn-lab down %s clears it", lab, lab)
		}
		up := "none is up"
		if labs := Labs(); len(labs) > 0 {
			up = "there is: " + strings.Join(labs, ", ")
		}
		return nil, fmt.Errorf("%w: %s; %s", ErrNotUp, lab, up)
	}
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", lab, err)
	}
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("lab %s: lab.json is damaged (%w); getvpn-lab down %s clears it", lab, err, lab)
	}
	return &s, nil
}

func (s *State) write() error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("lab.json: %w", err)
	}
	path := filepath.Join(s.Dir, "lab.json")
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o644); err != nil { //nolint:gosec // consoles of others may look
		return fmt.Errorf("lab.json: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("lab.json: %w", err)
	}
	return nil
}

// Write replaces lab.json, for drivers that keep it by themselves.
func (s *State) Write() error { return s.write() }

func (s *State) node(name string) *NodeState {
	for i := range s.Nodes {
		if s.Nodes[i].Name == name {
			return &s.Nodes[i]
		}
	}
	return nil
}

// lock serialises commands on one lab. It fails when the lab was taken down while it waited.
func lock(lab string) (unlock func(), err error) {
	path := filepath.Join(Dir(lab), "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotUp, lab)
	}
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", lab, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking lab %s: %w", lab, err)
	}
	var held, there unix.Stat_t
	if unix.Fstat(int(f.Fd()), &held) != nil || unix.Stat(path, &there) != nil || held.Ino != there.Ino {
		f.Close()
		return nil, fmt.Errorf("%w: %s was taken down in this moment", ErrNotUp, lab)
	}
	return func() { f.Close() }, nil
}

// Labs lists the labs that have a run directory.
func Labs() []string {
	var names []string
	if client.TrustLabDir() != nil {
		return nil
	}
	entries, _ := os.ReadDir(Base()) // no directory: no labs
	for _, e := range entries {
		if e.IsDir() && scenario.ValidName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}
