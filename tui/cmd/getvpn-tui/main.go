// Command getvpn-tui is the operator console: live on a terminal, or one verb at a time for scripts.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil && !errors.Is(err, errSaid) {
		fmt.Fprintln(os.Stderr, "getvpn-tui:", err)
	}
	os.Exit(exitCode(err))
}

// exitCode is 0 for done, 1 if the daemon or the lab refused or could not be reached, 2 for wrong usage.
func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSaid), errors.As(err, new(refused)):
		return 1
	}
	return 2
}
