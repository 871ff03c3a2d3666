// Package process is what both daemons share as processes: the command line, logs, the sink of journal events, signals,
// service notification, and keeping keys out of core dumps.
//
// Exit codes: 0 ended in order (or the check found nothing), 1 the configuration or a check failed, 2 the command line was
// wrong, 3 the daemon could not start or ended by a fault.
package process
