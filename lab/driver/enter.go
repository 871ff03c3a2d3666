package driver

import (
	"fmt"
	"runtime"

	vns "github.com/vishvananda/netns"
)

// Enter runs fn on a thread that is in the network namespace of a file, as /run/netns/NAME or /proc/PID/ns/net. Sockets that
// fn opens and processes that it starts belong to that namespace for good; fn must not start goroutines that expect it.
func Enter(path string, fn func() error) error {
	target, err := vns.GetFromPath(path)
	if err != nil {
		return fmt.Errorf("namespace %s: %w", path, err)
	}
	defer target.Close()
	return OnOwnThread(func() error {
		if err := vns.Set(target); err != nil {
			return fmt.Errorf("entering namespace %s: %w", path, err)
		}
		return fn()
	})
}

// OnOwnThread runs fn on a thread that may change its namespace and is brought back afterwards. When the way back fails
// the thread dies with its goroutine, which is never unlocked.
func OnOwnThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := vns.Get()
		if err != nil {
			done <- fmt.Errorf("own network namespace: %w", err)
			return
		}
		defer home.Close()
		err = fn()
		if vns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}
