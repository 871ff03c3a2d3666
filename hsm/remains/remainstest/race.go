//go:build race

package remainstest

// raced tells that this build has the race detector. It has terabytes of memory of its own mapped, which take long to look
// through, and it delays what it watches.
const raced = true
