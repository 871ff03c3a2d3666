package process

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/getvpn/getvpn/daemon/control"
)

// Daemon is a key server or a group member, ready to run.
type Daemon interface {
	// Run works until ctx ends, somebody asks for a stop over the control socket, or something fails; then it ends in
	// order. ready is called when it serves.
	Run(ctx context.Context, ready func()) error
	// Snapshot is what consoles see.
	Snapshot(ctx context.Context) (*control.Snapshot, error)
}

// Reloader is a daemon that takes up, at SIGHUP, files that are not the configuration: certificates and revocation lists.
type Reloader interface {
	// Reload says what it did; empty when there is nothing of the kind.
	Reload(ctx context.Context) (string, error)
}

// reload has a daemon take up what it can: files that the configuration names, then the configuration itself.
func reload(ctx context.Context, d Daemon, log *slog.Logger) {
	if r, ok := d.(Reloader); ok {
		switch text, err := r.Reload(ctx); {
		case err != nil:
			log.Error("not reloaded", "error", err)
		case text != "":
			log.Info(text)
		}
	}
	if r, ok := d.(Reconfigurer); ok {
		r.Reconfigure(ctx)
	}
}

// Reconfigurer is a daemon that takes up what can change of its configuration file at SIGHUP.
type Reconfigurer interface {
	// Reconfigure reads the file again and tells the journal what came of it.
	Reconfigure(ctx context.Context)
}

// Supervise runs d under the signals of a service:
//
//	SIGTERM, SIGINT  end in order; the second one ends at once
//	SIGHUP           reload: take up new certificates and revocation lists, and what can change of the configuration; say what needs a restart
//	SIGUSR1          write a snapshot into the log
func Supervise(d Daemon, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sig := make(chan os.Signal, 8)
	signal.Notify(sig, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(sig)
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx, func() { notify(log, daemon.SdNotifyReady) }) }()
	for {
		select {
		case err := <-done:
			notify(log, daemon.SdNotifyStopping)
			return err
		case s := <-sig:
			switch s {
			case syscall.SIGHUP:
				reload(ctx, d, log)
			case syscall.SIGUSR1:
				dump(ctx, d, log)
			default:
				log.Info("stopping; once more ends at once", "signal", s.String())
				notify(log, daemon.SdNotifyStopping)
				cancel()
				signal.Reset(syscall.SIGTERM, syscall.SIGINT)
			}
		}
	}
}

// notify tells systemd, if it started us.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("service notification failed", "error", err)
	}
}

func dump(ctx context.Context, d Daemon, log *slog.Logger) {
	s, err := d.Snapshot(ctx)
	if err != nil {
		log.Error("snapshot failed", "error", err)
		return
	}
	text, err := json.Marshal(s)
	if err != nil {
		log.Error("snapshot failed", "error", err)
		return
	}
	log.Info("snapshot", "snapshot", json.RawMessage(text))
}
