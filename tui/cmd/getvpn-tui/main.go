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

// Exit codes: 0 done, 1 the daemon or the lab refused or could not be reached, 2 wrong usage.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, errSaid):
		os.Exit(1)
	case errors.As(err, new(refused)):
		fmt.Fprintln(os.Stderr, "getvpn-tui:", err)
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "getvpn-tui:", err)
		os.Exit(2)
	}
}
