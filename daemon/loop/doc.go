// Package loop is the shell that runs a machine.Machine in a daemon.
//
//	sockets ──▶ Datagram ─┐                             ┌─▶ Send ────────▶ transport (held back while Send.After is
//	operators ─▶ Post ────┤   one goroutine             │                  being written, dropped if that failed)
//	data plane ▶ Post ────┼─▶ Step(now, event) ─────────┼─▶ Persist ─────▶ writer goroutine, group commit ─▶ Persisted
//	Deadline() ▶ Timeout ─┤                             ├─▶ Sign ────────▶ worker goroutines, timeout ─────▶ Signed
//	Do(func) ─────────────┘                             ├─▶ KeyCall ─────▶ other workers, timeout ───────▶ KeyDone
//	                                                    ├─▶ Note ────────▶ journal and log
//	                                                    └─▶ InstallSA ... ▶ Config.Effect
//
// Concurrency: the machine belongs to the goroutine of Run; every method of Loop may be called from anywhere. Nothing
// that the loop's goroutine does waits for a disk, a token or a peer.
package loop
