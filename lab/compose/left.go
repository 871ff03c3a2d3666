package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/driver"
)

// Left is that of the interface. An engine that does not answer has nothing of a lab that no file tells of, as Clear has it.
func (Driver) Left(name string) bool {
	if ids, err := containers(name); err != nil || len(ids) > 0 {
		return err == nil
	}
	ids, err := networks(name)
	return err == nil && len(ids) > 0
}

// containers lists those of a lab.
func containers(lab string) ([]string, error) {
	out, err := docker(context.Background(), "ps", "--all", "--quiet", "--filter", "label="+label+"="+lab)
	return strings.Fields(out), err
}

// networks lists those of a lab.
func networks(lab string) ([]string, error) {
	out, err := docker(context.Background(), "network", "ls", "--quiet", "--filter", "label="+label+"="+lab)
	return strings.Fields(out), err
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
	if _, err := containers(lab); err != nil {
		if st, known := driver.ReadState(lab); known == nil && st.Driver == Name || exists(filepath.Join(driver.Dir(lab), composeFile)) {
			return err
		}
		return nil // no engine answers, and nothing says that it has anything of this lab
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

// remove takes away what bears the lab's name, and says whether there was anything.
func remove(ctx context.Context, lab string) (found bool, err error) {
	ids, err := containers(lab)
	if err == nil && len(ids) > 0 {
		found = true
		_, err = docker(ctx, append([]string{"rm", "--force", "--volumes"}, ids...)...)
	}
	if err != nil {
		return found, err
	}
	ids, err = networks(lab)
	if err == nil && len(ids) > 0 {
		found = true
		_, err = docker(ctx, append([]string{"network", "rm"}, ids...)...)
	}
	return found, err
}

// endMakers ends the docker-compose that makes a lab, and says how many processes that were: when the program is killed that has
// called it, it goes on.
func endMakers(lab string) (n int, err error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, file := range files {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))) // a number, as the pattern has it
		_, start, err := driver.Stat(pid)
		if err != nil {
			continue // it has just ended
		}
		line, _ := os.ReadFile(file)
		if bytes.Contains(line, []byte(projectFlag+"\x00"+project(lab)+"\x00")) {
			n++
			errs = append(errs, driver.Process{PID: pid, Start: start}.Kill())
		}
	}
	return n, errors.Join(errs...)
}
