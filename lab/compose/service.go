package compose

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/driver"
)

// program is another program that a machine runs beside its network, as a routing daemon.
type program struct {
	Name string   `json:"name"`
	Argv []string `json:"argv"`
}

// logOf is what a service writes, in the directory of the node's services.
func logOf(lab, node, name string) string {
	return filepath.Join(driver.Dir(lab), servicesDir, node, name+".log")
}

const servicesDir = "services"

// start starts it; it ends with the machine.
func (p program) start(ctx context.Context, lab, node string, log io.Writer) error {
	path, err := driver.LookService(p.Argv[0])
	if err != nil {
		return fmt.Errorf("service %s: %w of the image", p.Name, err)
	}
	out, err := os.OpenFile(logOf(lab, node, p.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("service %s: %w", p.Name, err)
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, path, p.Argv[1:]...) //nolint:gosec // of the scenario
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("service %s: %w", p.Name, err)
	}
	go func() { fmt.Fprintf(log, "node %s: service %s has ended: %v\n", node, p.Name, cmd.Wait()) }()
	return nil
}

// find is the process of a service as this machine knows it: a child of the node's first process.
func find(n *driver.NodeState, argv []string) (driver.Process, error) {
	machine, err := running(n.Container)
	if err != nil {
		return driver.Process{}, err
	}
	for end := time.Now().Add(machinePatience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, pid := range children(machine.PID) {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			words := strings.Split(string(bytes.TrimSuffix(line, []byte{0})), "\x00")
			if filepath.Base(words[0]) == argv[0] && slices.Equal(words[1:], argv[1:]) {
				_, start, err := driver.Stat(pid)
				return driver.Process{PID: pid, Start: start}, err
			}
		}
	}
	return driver.Process{}, fmt.Errorf("it does not run in the container of %s: %s", n.Name, said(n.Container))
}

// children are the processes that a process has started, by any of its threads.
func children(pid int) (all []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		b, _ := os.ReadFile(file) // a thread that has ended has none
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}
