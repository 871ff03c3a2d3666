package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/driver"
)

// Left is that of the interface. An engine that does not answer has nothing of a lab that no file tells of, as Clear has it.
func (Driver) Left(name string) bool {
	if all, err := containers(name); err != nil || len(all) > 0 {
		return err == nil
	}
	all, err := networks(name)
	return err == nil && len(all) > 0
}

// part is a container or a network, and the directory in which its lab is kept; empty: it does not say.
type part struct{ id, base string }

// containers lists those that bear the name of a lab.
func containers(lab string) ([]part, error) { return parts(lab, "ps", "--all") }

// networks lists those that bear the name of a lab.
func networks(lab string) ([]part, error) { return parts(lab, "network", "ls") }

func parts(lab string, list ...string) (all []part, err error) {
	out, err := docker(context.Background(), append(list, "--filter", "label="+label+"="+lab, "--format", `{{.ID}} {{.Label "`+kept+`"}}`)...)
	for line := range strings.Lines(out) {
		id, base, _ := strings.Cut(strings.TrimSpace(line), " ")
		all = append(all, part{id, base})
	}
	return all, err
}

// elsewhere fails when one of them is of a lab that another directory has.
func elsewhere(lab string, all []part) error {
	for _, p := range all {
		if err := driver.Elsewhere(lab, p.base); err != nil {
			return err
		}
	}
	return nil
}

// ours are those of them that are not.
func ours(lab string, all []part) (ids []string) {
	for _, p := range all {
		if driver.Elsewhere(lab, p.base) == nil {
			ids = append(ids, p.id)
		}
	}
	return ids
}

const (
	// settle is how long the engine may take to end what somebody has asked it for who was killed meanwhile.
	settle = 500 * time.Millisecond
	// tries are how often something may come up after all was taken away.
	tries = 10
)

// clear removes the containers of a lab, then its network, until nothing is left. Where the program that made the lab was killed,
// docker-compose goes on without it, and the engine without docker-compose.
func clear(ctx context.Context, lab string) error {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil //nolint:nilerr // without docker there are no containers
	}
	boxes, err := containers(lab)
	if err != nil {
		if st, known := driver.ReadState(lab); known == nil && st.Driver == Name || exists(filepath.Join(driver.Dir(lab), composeFile)) {
			return err
		}
		return nil // no engine answers, and nothing says that it has anything of this lab
	}
	nets, err := networks(lab)
	if err = errors.Join(err, elsewhere(lab, append(boxes, nets...))); err != nil {
		return err
	}
	makers, err := endMakers(lab)
	if err != nil {
		return err
	}
	looks := 1
	if makers > 0 { // in the middle of something
		looks = 2
	}
	for try := 0; try < tries && looks > 0; try++ {
		var found bool
		if found, err = remove(ctx, lab); err == nil && !found {
			looks--
		}
		if err != nil || makers > 0 {
			time.Sleep(settle)
		}
	}
	if err == nil && looks > 0 {
		err = fmt.Errorf("lab %s: something makes containers as fast as they are removed", lab)
	}
	return err
}

// remove takes away what bears the lab's name and is not of another directory, and says whether there was anything.
func remove(ctx context.Context, lab string) (found bool, err error) {
	all, err := containers(lab)
	ids := ours(lab, all)
	if err == nil && len(ids) > 0 {
		found = true
		_, err = docker(ctx, append([]string{"rm", "--force", "--volumes"}, ids...)...)
	}
	if err != nil {
		return found, err
	}
	all, err = networks(lab)
	ids = ours(lab, all)
	if err == nil && len(ids) > 0 {
		found = true
		_, err = docker(ctx, append([]string{"network", "rm"}, ids...)...)
	}
	return found, err
}

// endMakers ends the docker-compose that makes a lab, and says how many processes that were: when the program is killed that has
// called it, it goes on.
func endMakers(lab string) (n int, err error) {
	var errs []error
	for _, p := range driver.Processes() {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID)) // one that has ended has none
		if !bytes.Contains(line, []byte(projectFlag+"\x00"+project(lab)+"\x00")) {
			continue
		}
		if err := driver.Elsewhere(lab, baseOf(p.PID)); err != nil {
			errs = append(errs, err)
			continue
		}
		n++
		errs = append(errs, p.Kill())
	}
	return n, errors.Join(errs...)
}

// baseOf is the directory of labs that a process was given.
func baseOf(pid int) string {
	env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // one that has ended has none
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if base, ok := bytes.CutPrefix(v, []byte("GETVPN_LAB_DIR=")); ok {
			return string(base)
		}
	}
	return ""
}
