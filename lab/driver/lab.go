package driver

import (
	"context"
	"os/exec"
	"time"

	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/hsm/remains"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Subject is a lab that checks and actions work on; package check calls it its Lab.
type Subject interface {
	Scenario() *scenario.Scenario
	Inside(node string, fn func() error) error // fn opens sockets in the node's network
	Control(node string) *client.Client
	Start(ctx context.Context, node string) error
	Stop(node string) error
	Kill(node string) error
	Pause(node string) error // SIGSTOP
	Resume(node string) error
	Wipe(node string, only ...string) error // its state directory
	PID(node string) (int, error)           // 0 when it does not live
	Partition(p scenario.Partition, d time.Duration) error
	Heal() error
	LoseToken(node string) error // of its HSM
	ReturnToken(node string) error
	TokenSecrets(node string) ([]remains.Secret, error)
	Secret(name string) ([]byte, error)                                             // of the scenario's secrets
	Written(node string) []string                                                   // files and directories that the daemon writes
	Reload(node string) error                                                       // SIGHUP
	Revoke(certificate string) error                                                // onto its authority's list
	Configure(node, program string, vars map[string]string) error                   // writes the daemon's file anew
	Operate(ctx context.Context, node string, args []string) (string, error)        // getvpn-tui VERB at the node's daemon
	Run(ctx context.Context, node string, argv []string) (output string, err error) // a program inside the node
}

// Lab is a lab that is up.
type Lab interface {
	Subject
	Name() string // by default that of its scenario
	State() (*State, error)
	Status(ctx context.Context) (*Status, error) // asks all daemons
	LogFile(node string) string                  // where the daemon of a node writes
	Registered(ctx context.Context, node string) (ok bool, why string)
	WaitRegistered(ctx context.Context, limit time.Duration) error // of every member that is part of the group
	Exec(node string, argv []string) error                         // replaces this process; returns only when it failed
	StartCommand(node string, cmd *exec.Cmd) error                 // in the node's network; the caller waits for it
}

// Driver makes labs.
type Driver interface {
	// Up brings a lab up and starts its daemons, key servers first. It does not wait for registrations. When anything fails,
	// or ctx ends, everything is taken down again. When the network stands and no daemon runs yet, it calls ready, unless
	// that is nil: who wants to see every packet starts looking there.
	Up(ctx context.Context, name string, s *scenario.Scenario, ready func(Lab) error) (Lab, error)
	// Open finds a lab that is up.
	Open(name string, s *scenario.Scenario) Lab
	// Left says whether anything bears the lab's name, but for the run directory.
	Left(name string) bool
	// Clear ends everything that bears the lab's name, whatever state it is in, but for the run directory. It is no error
	// when there is nothing; it is one when something resists.
	Clear(name string) error
}
