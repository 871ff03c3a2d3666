package machine

import "time"

// Bucket is a token bucket: so many at once, then one every so often. The zero value is full. Whoever keeps it keeps the
// rate too, so that a map of thousands holds one instant each.
type Bucket struct{ next Instant } // when it will be full again

// Has says whether a token is there.
func (b *Bucket) Has(now Instant, burst int, every time.Duration) bool {
	// A clock that went back must not keep the bucket empty for longer than it takes to fill.
	b.next = min(b.next, now.Add(time.Duration(burst)*every))
	return b.next.Sub(now) <= time.Duration(burst-1)*every
}

// Take takes a token, if one is there.
func (b *Bucket) Take(now Instant, burst int, every time.Duration) bool {
	if !b.Has(now, burst, every) {
		return false
	}
	b.next = max(b.next, now).Add(every)
	return true
}

// Full says that nothing of the past matters any more.
func (b *Bucket) Full(now Instant) bool { return b.next <= now }
