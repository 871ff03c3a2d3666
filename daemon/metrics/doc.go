// Package metrics shows a daemon to Prometheus: what consoles see of it, as numbers, on a listener of its own that answers
// GET /metrics and nothing else. It is off unless the configuration has metrics: {listen: …}.
//
// Each view of the console has its families (families.go is the list). All come from one control.Snapshot for each scrape, so
// they agree with each other and with the console, and hold nothing that a snapshot does not: no key, no secret. Labels are
// bounded: members are counted, not named; rules, events, reasons and peers have limits, beyond which they are summed as "other".
// What Prometheus knows better is left to it: rates, ages (there are timestamps), and which daemon it is (its own labels).
package metrics
