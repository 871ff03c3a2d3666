// Package wipe wipes what a computation with key material leaves behind where no program can: in registers, in parts of
// stacks that are not in use, and in what Go's library allocated and forgot (padding, states of hashes and ciphers).
//
// It rests on the experiment runtimesecret of Go 1.26 (package runtime/secret; Linux on amd64 and arm64), which a build
// takes up by GOEXPERIMENT=runtimesecret; `make build` does. In a build without it After just calls, and what is left lies
// about until the memory is used again: see Works.
//
// Registers and stacks are wiped when After returns, memory that was allocated when the garbage collector finds it free. So
// After has the collector run within a second, however long the program sleeps.
package wipe

import (
	"runtime"
	"sync/atomic"
	"time"
)

// After calls f, and wipes what it leaves. f begins no goroutine and makes no call into C, since neither is covered. What it
// returns in memory that was allocated outside is the caller's to wipe (clear).
func After(f func()) {
	if !Works {
		f()
		return
	}
	defer collectSoon()
	do(f)
}

// within is how soon the collector runs.
const within = time.Second

var waiting atomic.Bool

// collectSoon has the collector run once for all calls of that time. What is allocated while it runs, it does not find free;
// so a call that ends then has it run again.
func collectSoon() {
	if waiting.CompareAndSwap(false, true) {
		time.AfterFunc(within, func() {
			waiting.Store(false)
			runtime.GC()
		})
	}
}
