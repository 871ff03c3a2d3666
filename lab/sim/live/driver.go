package live

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/sim"
)

// Name is the driver's.
const Name = "sim"

// Driver brings labs up in the simulator: each is one process, that of "getvpn-lab sim-live".
type Driver struct {
	Seed    uint64 // of the runs; 0: another each time
	Virtual bool   // its labs are Virtual ones
}

// Process is the name of the command that is the process of a lab.
const Process = "sim-live"

const (
	pidFile = "sim.json" // the process
	logFile = "sim.log"  // what it says
)

// Carries says why the simulator does not carry a scenario, as far as that is seen before it begins.
func Carries(s *scenario.Scenario) error {
	if len(s.Faults) > 0 {
		return fmt.Errorf("%w: scenario %s is an exercise that breaks real files and real networks; use --driver netns or compose", sim.ErrModel, s.Name)
	}
	if n := s.HasServices(); n != "" {
		return fmt.Errorf("%w: node %s of scenario %s has services (other programs, as a routing daemon); use --driver netns", sim.ErrModel, n, s.Name)
	}
	return nil
}

// Up implements driver.Driver.
func (d Driver) Up(ctx context.Context, name string, s *scenario.Scenario, ready func(driver.Lab) error) (driver.Lab, error) {
	if err := Carries(s); err != nil {
		return nil, err
	}
	p := &Plan{Seed: cmp.Or(d.Seed, s.Seed, 1+rand.Uint64N(1e6)), Epoch: time.Now().UTC().Truncate(time.Second), Virtual: d.Virtual}
	l := Driver{}.Open(name, s)
	if d.Virtual {
		p.Epoch, l = virtualEpoch, &Virtual{l.(*Lab)}
	}
	err := spawn(name, s, p)
	if err == nil && ready != nil {
		err = ready(l)
	}
	if err == nil {
		err = waitUp(ctx, name)
	}
	if v, ok := l.(*Virtual); ok && err == nil {
		err = v.look(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, Driver{}.Clear(name), driver.RemoveDir(name))
	}
	return l, nil
}

// spawn makes the run directory and begins the process.
func spawn(name string, s *scenario.Scenario, p *Plan) error {
	dir := driver.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // consoles of others may look
		return fmt.Errorf("run directory: %w (GETVPN_LAB_DIR names another place)", err)
	}
	if err := p.Stage(s, dir); err != nil { // what the simulator does not carry is said here, not in a log
		return err
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "scenario.yaml"), s.Text, 0o600), p.write(dir)); err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644) //nolint:gosec // nothing of it is secret
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self, Process, name)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	begin, err := cmd.StdinPipe() // it does nothing before it can be found by its pid, should this program be killed right here
	if err != nil {
		return err
	}
	defer begin.Close()
	if err := cmd.Start(); err != nil {
		return err
	}
	_, start, err := driver.Stat(cmd.Process.Pid)
	if err != nil {
		return err
	}
	b, err := json.Marshal(driver.Process{PID: cmd.Process.Pid, Start: start})
	if err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // it is nobody's child when this program has ended
	if err := os.WriteFile(filepath.Join(dir, pidFile), b, 0o600); err != nil {
		return err
	}
	_, err = begin.Write([]byte{'\n'})
	return err
}

// process is that of a lab; the zero value: there is none.
func process(name string) (p driver.Process) {
	if b, err := os.ReadFile(filepath.Join(driver.Dir(name), pidFile)); err == nil {
		_ = json.Unmarshal(b, &p)
	}
	return p
}

// waitUp waits until the lab answers and is described.
func waitUp(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := ask(ctx, name, "time", TimeRequest{Do: TimeShow})
		if err == nil {
			if _, err = driver.ReadState(name); err == nil {
				return nil
			}
		}
		if !process(name).Alive() {
			return fmt.Errorf("the simulator ended right after its start:\n%s", driver.Tail(filepath.Join(driver.Dir(name), logFile), 5))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the simulator does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// RunProcess is the process of a lab: it begins when it reads something, and runs until ctx ends.
func RunProcess(ctx context.Context, name string) error {
	if n, _ := os.Stdin.Read(make([]byte, 1)); n == 0 {
		return errors.New("the program that began this lab was killed")
	}
	dir := driver.Dir(name)
	p, err := readPlan(dir)
	if err != nil {
		return err
	}
	sc, err := p.read(dir)
	if err != nil {
		return err
	}
	if err := p.Stage(sc, dir); err != nil {
		return err
	}
	s, err := NewServer(ctx, name, dir, p)
	if err != nil {
		return err
	}
	return s.Serve(ctx)
}

// Open implements driver.Driver.
func (Driver) Open(name string, s *scenario.Scenario) driver.Lab {
	l := &Lab{name: name}
	l.Common = driver.New(name, s, l)
	return l
}

// Left implements driver.Driver: a lab that has a process has a run directory.
func (Driver) Left(string) bool { return false }

// Clear implements driver.Driver.
func (Driver) Clear(name string) error {
	p := process(name)
	if !p.Alive() {
		return nil
	}
	return p.Terminate(5 * time.Second)
}

// ask says something to the process of a lab.
func ask(ctx context.Context, name, what string, q any) (*Reply, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(driver.Dir(name), labSocket)
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sim/"+what, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := c.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the simulator of lab %s does not answer (%w); its log is %s", name, err, filepath.Join(driver.Dir(name), logFile))
	}
	defer res.Body.Close()
	var reply Reply
	if err := json.NewDecoder(res.Body).Decode(&reply); err != nil {
		return nil, err
	}
	if reply.Error != "" {
		return &reply, errors.New(strings.TrimSpace(reply.Error))
	}
	return &reply, nil
}

// AskTime does something to the time of a lab.
func AskTime(ctx context.Context, name string, q TimeRequest) (*TimeStatus, error) {
	r, err := ask(ctx, name, "time", q)
	if err != nil {
		return nil, err
	}
	if q.Do == TimeFork {
		err = waitUp(ctx, q.Name)
	}
	return r.Time, err
}

// PlanOf is what a lab has been through, ready to be played again, and where it is.
func PlanOf(name string) (*Plan, time.Duration, error) {
	st, err := AskTime(context.Background(), name, TimeRequest{Do: TimeShow})
	if err != nil {
		return nil, 0, err
	}
	dir := driver.Dir(name)
	p, err := readPlan(dir)
	if err != nil {
		return nil, 0, err
	}
	sc, err := p.read(dir)
	if err == nil {
		again := filepath.Join(dir, "again") // the files of the lab itself may be other ones by now
		if err = inherit(sc, dir, again); err == nil {
			err = p.Stage(sc, again)
		}
	}
	return p, st.Now, err
}
