package replay

import "time"

// Time is the time window of a group: its pseudotime, which the key server hands out, as a member reads it off its own
// monotonic clock, and how far a stamp may be from it. Stamps are milliseconds, modulo 2^32: 49 days, several times as
// long as a key may live. A value; it never changes.
//
// The floor is for a receiver that has just started and whose windows are empty: whatever was stamped before it had the
// key is nothing that it waits for, so none of it is let in, though the window would reach back that far.
type Time struct {
	At     int64         // an instant of the member's clock, in nanoseconds
	Base   time.Duration // the pseudotime at that instant
	Drift  int64         // by how much the pseudotime runs faster than the clock, in parts per billion
	Window time.Duration // 0: stamps are not judged
}

// Slack is by how much a sender's clock may be behind that of a receiver that has just started: for so long its packets
// pass, and so do those that somebody recorded in the same moments.
func (t *Time) Slack() time.Duration { return min(t.Window/16, 500*time.Millisecond) }

// Now is the pseudotime at an instant of the member's clock.
func (t *Time) Now(instant int64) time.Duration {
	elapsed := instant - t.At
	return t.Base + time.Duration(elapsed) + time.Duration(elapsed/1e6*t.Drift/1e3)
}

// Stamp is what a packet sent at now, a pseudotime, carries.
func Stamp(now time.Duration) uint32 { return uint32(now.Milliseconds()) }

// Age is how long before now a stamp was made; negative when it lies ahead.
func Age(now time.Duration, stamp uint32) time.Duration {
	return time.Duration(int32(Stamp(now)-stamp)) * time.Millisecond
}

// Fresh says whether a stamp of this age is inside the window.
func (t *Time) Fresh(age time.Duration) bool {
	return t.Window == 0 || age <= t.Window && -age <= t.Window
}
