//go:build !race

package remainstest

// raced tells that this build has the race detector; see the other file.
const raced = false
