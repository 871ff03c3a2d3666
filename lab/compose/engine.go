package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/getvpn/getvpn/lab/driver"
)

const (
	// machinePatience is how long a machine may take to make its network.
	machinePatience = 30 * time.Second
	// image is what make image makes; $GETVPN_IMAGE names another one.
	image = "getvpn"
	// composeFile is in the run directory of a lab of this driver.
	composeFile = "docker-compose.yml"
	// projectFlag tells docker-compose what to call what it makes; by it Clear knows one that goes on without us.
	projectFlag = "--project-name"
)

func project(lab string) string { return "gvl-" + lab }

// docker runs the engine's client and returns what it printed.
func docker(ctx context.Context, args ...string) (string, error) {
	return tool(ctx, nil, "docker", args...)
}

func tool(ctx context.Context, env []string, name string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the engine's clients
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, append(os.Environ(), env...)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out.String(), &driver.Exited{Program: name + " " + args[0], Status: cmd.ProcessState.ExitCode(), Said: lastLine(errs.String()), Err: err}
	}
	return strings.TrimSpace(out.String()), nil
}

// lastLine is what a program says in the end, which is why it failed. Some clients of the engine end with their bare exit status.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for n := len(lines); n > 1 && strings.HasPrefix(lines[n-1], "exit status "); n-- {
		lines = lines[:n-1]
	}
	return lines[len(lines)-1]
}

// Engine says what is missing to run containers.
func Engine(ctx context.Context) error {
	if _, err := exec.LookPath("docker"); err != nil {
		return errors.New("the driver compose needs docker and docker-compose: install docker.io and docker-compose, or take --driver netns")
	}
	if _, err := docker(ctx, "version", "--format", "{{.Server.Version}}"); err != nil {
		return fmt.Errorf("no docker engine answers; start it, or take --driver netns: %w", err)
	}
	if _, err := docker(ctx, "image", "inspect", "--format", "{{.Id}}", imageName()); err != nil {
		return fmt.Errorf("the engine has no image %q: run 'make image', after 'make base' where no registry can be reached", imageName())
	}
	_, err := composeTool(ctx)
	return err
}

func imageName() string {
	if name := os.Getenv("GETVPN_IMAGE"); name != "" {
		return name
	}
	return image
}

// composeTool is how this machine calls it.
func composeTool(ctx context.Context) ([]string, error) {
	if _, err := docker(ctx, "compose", "version"); err == nil {
		return []string{"docker", "compose"}, nil
	}
	if _, err := exec.LookPath("docker-compose"); err == nil {
		return []string{"docker-compose"}, nil
	}
	return nil, errors.New("there is neither docker compose nor docker-compose: install docker-compose")
}

// create prepares the files of a lab, starts its machines on a network that nobody uses, and makes the containers of the
// daemons. It goes in these steps because docker-compose waits for what a service depends on also when it only makes it, and
// connects a container to the network namespace of one that runs, or to none. None is made anew when the image changes meanwhile.
func create(ctx context.Context, lab, file string, machines []string) error {
	argv, err := composeTool(ctx)
	if err != nil {
		return err
	}
	network := wires(lab, 0)
	for try := 1; try < 20; try++ {
		if free, err := unused(ctx, network); err != nil || free {
			break
		}
		network = wires(lab, try)
	}
	env := []string{wiresVariable + "=" + network, "GETVPN_LAB_DIR=" + driver.Base(), "COMPOSE_HTTP_TIMEOUT=300"}
	up := func(args ...string) error {
		_, err := tool(ctx, env, argv[0], slices.Concat(argv[1:], []string{projectFlag, project(lab), "--file", file, "up", "--no-recreate"}, args)...)
		return err
	}
	if err := up("--detach", prepareService); err != nil {
		return err
	}
	prepare := container(lab, prepareService)
	if code, err := docker(ctx, "wait", prepare); err != nil || code != "0" {
		return errors.Join(err, fmt.Errorf("the lab's files are not prepared: %s", said(prepare)))
	}
	if err := up(append([]string{"--detach"}, machines...)...); err != nil {
		return err
	}
	return up("--no-start")
}

// unused says whether no network of docker has addresses of a /24.
func unused(ctx context.Context, start string) (bool, error) {
	want, err := netip.ParsePrefix(start + ".0/24")
	if err != nil {
		return false, err
	}
	ids, err := docker(ctx, "network", "ls", "--quiet")
	if err != nil {
		return false, err
	}
	all, err := docker(ctx, append([]string{"network", "inspect", "--format", "{{range .IPAM.Config}}{{.Subnet}} {{end}}"}, strings.Fields(ids)...)...)
	if err != nil {
		return false, err
	}
	for _, f := range strings.Fields(all) {
		if p, err := netip.ParsePrefix(f); err == nil && p.Overlaps(want) {
			return false, nil
		}
	}
	return true, nil
}

// running is the first process of a container, as this machine knows it; none when it does not run.
func running(name string) (driver.Process, error) {
	out, err := docker(context.Background(), "container", "inspect", "--format", "{{.State.Running}} {{.State.Pid}}", name)
	if err != nil {
		return driver.Process{}, err
	}
	state, text, _ := strings.Cut(out, " ")
	pid, err := strconv.Atoi(text)
	if state != "true" || err != nil {
		return driver.Process{}, err
	}
	_, start, err := driver.Stat(pid)
	if errors.Is(err, os.ErrNotExist) { // it has ended in this moment, or the engine is another machine's
		return driver.Process{}, nil
	}
	return driver.Process{PID: pid, Start: start}, err
}

// said is the end of what a container has written.
func said(name string) string {
	out, err := exec.Command("docker", "logs", "--tail", "5", name).CombinedOutput() //nolint:gosec // of this lab
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(out))
}

// launch starts the container of a daemon. One whose process has just been killed still counts as running for a moment; to
// start it then would do nothing.
func launch(n *driver.NodeState) (driver.Process, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	name := n.Container + daemonSuffix
	if _, err := docker(ctx, "wait", name); err != nil {
		return driver.Process{}, err
	}
	since := time.Now()
	if _, err := docker(ctx, "start", name); err != nil {
		return driver.Process{}, err
	}
	if err := follow(name, n.Log, since); err != nil {
		return driver.Process{}, err
	}
	p, err := running(name)
	if err == nil && p.PID == 0 {
		err = fmt.Errorf("the daemon of %s ended right after its start: %s", n.Name, said(name))
	}
	return p, err
}

// follow writes what a container says to a file, until it ends.
func follow(name, file string, since time.Time) error {
	log, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	defer log.Close()
	cmd := exec.Command("docker", "logs", "--follow", "--since", since.Format(time.RFC3339Nano), name) //nolint:gosec // of this lab
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // when it ends before the tool does
	return nil
}

// terminal is what docker exec needs to know about ours.
func terminal() []string {
	if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
		return []string{"--interactive", "--tty"}
	}
	return []string{"--interactive"}
}

// become replaces this process by the engine's client.
func become(args []string) error {
	path, err := exec.LookPath("docker")
	if err != nil {
		return err
	}
	return fmt.Errorf("executing %s: %w", path, syscall.Exec(path, append([]string{"docker"}, args...), os.Environ())) //nolint:gosec // what the user asked for
}
