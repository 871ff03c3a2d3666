package live

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/getvpn/getvpn/hsm/remains"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Lab is a lab in the simulator, as another process sees it.
type Lab struct {
	*driver.Common
	name string

	mu sync.Mutex
	at TimeStatus // as it was told last
}

// note keeps what was said about time.
func (l *Lab) note(st *TimeStatus) {
	if st != nil {
		l.mu.Lock()
		l.at = *st
		l.mu.Unlock()
	}
}

// database is what a simulated disk has. Signature keys are not on it, and outlive it.
var database = []string{"state.db"}

// errNoNetwork is what needs a network that can be entered.
var errNoNetwork = driver.NoNetwork("no network, no processes and no files of daemons to look into")

func (l *Lab) order(o Order) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*answerTimeout)
	defer cancel()
	r, err := ask(ctx, l.name, "order", o)
	if err == nil {
		l.note(r.Time)
	}
	return err
}

// Start implements driver.Lab, as all that follows.
func (l *Lab) Start(_ context.Context, node string) error {
	return l.order(Order{Verb: VerbStart, Node: node})
}

func (l *Lab) Stop(node string) error   { return l.order(Order{Verb: VerbStop, Node: node}) }
func (l *Lab) Kill(node string) error   { return l.order(Order{Verb: VerbKill, Node: node}) }
func (l *Lab) Pause(node string) error  { return l.order(Order{Verb: VerbPause, Node: node}) }
func (l *Lab) Resume(node string) error { return l.order(Order{Verb: VerbResume, Node: node}) }

func (l *Lab) Reload(node string) error { return l.order(Order{Verb: VerbReload, Node: node}) }

func (l *Lab) Revoke(certificate string) error {
	return l.order(Order{Verb: VerbRevoke, Sides: certificate})
}

func (l *Lab) LoseToken(node string) error   { return l.order(Order{Verb: VerbLose, Node: node}) }
func (l *Lab) ReturnToken(node string) error { return l.order(Order{Verb: VerbReturn, Node: node}) }

func (l *Lab) Configure(node, program string, vars map[string]string) error {
	return l.order(Order{Verb: VerbConfigure, Node: node, Program: program, Vars: vars})
}

func (l *Lab) Wipe(node string, only ...string) error {
	if len(only) > 0 && !slices.Equal(only, database) {
		return fmt.Errorf("a simulated disk has %s alone: %w", database[0], errNoNetwork)
	}
	return l.order(Order{Verb: VerbWipe, Node: node})
}

func (l *Lab) Partition(p scenario.Partition, d time.Duration) error {
	return l.order(Order{Verb: VerbPartition, Sides: p.String(), For: d})
}

func (l *Lab) Heal() error { return l.order(Order{Verb: VerbHeal}) }

// Status is that of every lab, by the run's calendar: a fault that is over has left lab.json.
func (l *Lab) Status(ctx context.Context) (*driver.Status, error) {
	out, err := l.Common.Status(ctx)
	if err != nil {
		return nil, err
	}
	t, err := AskTime(ctx, l.name, TimeRequest{Do: TimeShow})
	if err != nil {
		return out, nil //nolint:nilerr // the simulator has ended, which the nodes show
	}
	st, err := l.State()
	if err != nil {
		return nil, err
	}
	out.Now, out.Faults = t.Wall, st.Faults
	return out, nil
}

// LogFile is the simulator's: its nodes write into their journals only.
func (l *Lab) LogFile(string) string { return filepath.Join(driver.Dir(l.name), logFile) }

// What only real nodes have.
func (l *Lab) Inside(string, func() error) error                     { return errNoNetwork }
func (l *Lab) Exec(string, []string) error                           { return errNoNetwork }
func (l *Lab) StartCommand(string, *exec.Cmd) error                  { return errNoNetwork }
func (l *Lab) TokenSecrets(string) ([]remains.Secret, error)         { return nil, errNoNetwork }
func (l *Lab) Run(context.Context, string, []string) (string, error) { return "", errNoNetwork }

// Describe implements driver.Machines, of which this driver needs nothing.
func (l *Lab) Describe(*driver.NodeState)       {}
func (l *Lab) Namespace(string) (string, error) { return "", errNoNetwork }
func (l *Lab) Launch(*driver.NodeState, []string) (driver.Process, error) {
	return driver.Process{}, errNoNetwork
}
func (l *Lab) Serve(_ *driver.NodeState, v driver.ServiceState, _ []string) (driver.ServiceState, error) {
	return v, errNoNetwork
}
func (l *Lab) Module() (string, error) { return "", errNoNetwork }
