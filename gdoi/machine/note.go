package machine

import "time"

// Severity of a Note.
type Severity uint8

// Severities.
const (
	Debug Severity = iota
	Info
	Warning
	Error
)

// String returns the lower-case word that journals show.
func (s Severity) String() string {
	switch s {
	case Debug:
		return "debug"
	case Info:
		return "info"
	case Warning:
		return "warning"
	default:
		return "error"
	}
}

// Note is a typed journal event: what happened, to what, and why. It is an effect; the shell stamps it with a
// number and the time, keeps it in the journal, logs it and streams it to consoles. It never holds a secret.
type Note struct {
	// Name is the stable, greppable name, "rekey-sent"; constants of package gdoi.
	Name     string
	Severity Severity
	// Group is the group's configured name; empty where none applies.
	Group string
	// Peer is the other side: an address, or identity.
	Peer string
	// Reason is a stable code for drops and failures (see DropReason); empty where none applies.
	Reason string
	// Text is one sentence for a person.
	Text string
	// Fields hold further values (spi, seq, epoch), already printable.
	Fields []Field
}

// Field is one key and value of a Note.
type Field struct{ Key, Value string }

// F makes a Field.
func F(key, value string) Field { return Field{key, value} }

// MachineEffect marks the type.
func (Note) MachineEffect() {}

// Earliest returns the earlier of two optional instants; it folds the deadlines of parts into one.
func Earliest(a Instant, aok bool, b Instant, bok bool) (Instant, bool) {
	switch {
	case !aok:
		return b, bok
	case !bok || a <= b:
		return a, true
	default:
		return b, true
	}
}

// WallAt converts an instant to wall time by way of now.
func (n Now) WallAt(i Instant) time.Time { return n.Wall.Add(i.Sub(n.Mono)) }

// MonoAt converts a wall time to an instant by way of now.
func (n Now) MonoAt(t time.Time) Instant { return n.Mono.Add(t.Sub(n.Wall)) }
