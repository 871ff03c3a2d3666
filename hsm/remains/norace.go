//go:build !race

package remains

// Raced tells that this build has the race detector; see the other file.
const Raced = false
