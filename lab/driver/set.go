package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/scenario"
)

// Set is the drivers that there are, by the names that lab.json and users have for them.
type Set map[string]Driver

// Names lists them.
func (set Set) Names() string { return strings.Join(slices.Sorted(maps.Keys(set)), ", ") }

// ErrNoDriver is a name that no driver has.
var ErrNoDriver = errors.New("there is no driver")

// Driver finds one.
func (set Set) Driver(name string) (Driver, error) {
	d, ok := set[name]
	if !ok {
		return nil, fmt.Errorf("%w %q; there are: %s", ErrNoDriver, name, set.Names())
	}
	return d, nil
}

// Open finds a lab that is up. An empty name means the only one.
func (set Set) Open(name string) (Lab, error) {
	if name == "" {
		switch labs := Labs(); len(labs) {
		case 0:
			return nil, fmt.Errorf("%w: there is none; getvpn-lab up basic brings one up", ErrNotUp)
		case 1:
			name = labs[0]
		default:
			return nil, fmt.Errorf("several labs are up (%s): choose one with --lab", strings.Join(labs, ", "))
		}
	}
	st, err := ReadState(name)
	if err != nil {
		return nil, err
	}
	d, err := set.Driver(st.Driver)
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", name, err)
	}
	s, err := ReadScenario(st.Dir, st.Vars, st.Seed)
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", name, err)
	}
	s.Sabotaged = st.Sabotaged // its variables are in those of the lab
	return d.Open(name, s), nil
}

// ReadScenario reads the scenario of a lab in its run directory, with the variables and the seed that it was brought up with.
func ReadScenario(dir string, vars map[string]string, seed uint64) (*scenario.Scenario, error) {
	file := filepath.Join(dir, "scenario.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return scenario.Parse(file, text, scenario.Options{Set: vars, Seed: seed})
}

// Up brings a lab up with the driver of that name; what it does is what the driver's Up does.
func (set Set) Up(ctx context.Context, driver, name string, s *scenario.Scenario, ready func(Lab) error) (Lab, error) {
	d, err := set.Driver(driver)
	if err != nil {
		return nil, err
	}
	if err := Free(name); err != nil {
		return nil, err
	}
	if err := MakeBase(); err != nil {
		return nil, err
	}
	return d.Up(ctx, name, s, ready)
}

// Free says why no lab of that name can begin; nil: one can.
func Free(name string) error {
	if !scenario.ValidName(name) {
		return fmt.Errorf("lab name %q: a letter and up to 23 more letters, digits or underscores, in lower case", name)
	}
	if _, err := os.Stat(Dir(name)); err == nil {
		return AlreadyUp(name)
	}
	return nil
}

// AlreadyUp says that a lab of that name is in the way.
func AlreadyUp(name string) error {
	return fmt.Errorf("lab %s is already up, or half of it; getvpn-lab down %s clears it", name, name)
}

// Known says whether there is a lab of that name, or anything of one: a run directory, or what one has left behind without it.
func (set Set) Known(name string) bool {
	if !scenario.ValidName(name) {
		return false
	}
	if _, err := os.Stat(Dir(name)); err == nil {
		return true
	}
	for _, d := range set {
		if d.Left(name) {
			return true
		}
	}
	return false
}

// Down takes a lab away, whatever state it is in. It is no error when there is nothing. A lab whose lab.json is not there, or
// not to be read, may be of any driver: all of them clear what bears its name.
func (set Set) Down(name string) error {
	if !scenario.ValidName(name) {
		return fmt.Errorf("lab name %q is not valid", name)
	}
	drivers := slices.Sorted(maps.Keys(set))
	if st, err := ReadState(name); err == nil && set[st.Driver] != nil {
		drivers = []string{st.Driver}
	}
	var errs []error
	for _, d := range drivers {
		err := set[d].Clear(name)
		if errors.Is(err, ErrNotOwned) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, RemoveDir(name))...)
}

// ErrNotOwned is what Owned says.
var ErrNotOwned = errors.New("belongs to another user")

// Owned fails when the run directory of a lab belongs to another user: its namespaces are not seen from here.
func Owned(name string) error {
	var st unix.Stat_t
	if err := unix.Stat(Dir(name), &st); err != nil || int(st.Uid) == os.Geteuid() {
		return nil // nothing of it can be another's
	}
	return fmt.Errorf("lab %s in %s %w: sudo -u '#%d' GETVPN_LAB_DIR=%s getvpn-lab COMMAND", name, Base(), ErrNotOwned, st.Uid, Base())
}

// RemoveDir takes the run directory of a lab away, which is the last of it, and sees that it has gone.
func RemoveDir(name string) error {
	if err := os.RemoveAll(Dir(name)); err != nil {
		return fmt.Errorf("run directory: %w", err)
	}
	RemoveBase() // succeeds with the last lab
	return nil
}
