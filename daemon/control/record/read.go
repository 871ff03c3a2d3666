package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sort"
	"time"
)

// Recording is a recording that was opened. It is safe for concurrent use.
type Recording struct {
	Header
	Path string

	file   *os.File
	text   text
	lines  []line
	nodes  []string
	names  []string // of events
	events []mark
	notes  []string
}

// line is where a frame is, and what it is about.
type line struct {
	off  int64
	at   int64  // nanoseconds since 1970
	n    uint32 // octets
	node uint16 // number in nodes; maxNodes: none
	kind Kind
}

// mark is an event: what is needed to find it without reading its line.
type mark struct {
	seq      uint64
	at       int64 // its own time, which is before its frame's if it was heard of later
	frame    int32
	name     uint32
	severity Severity
}

// Severity of an event, in order.
type Severity uint8

// Severities.
const (
	Debug Severity = iota
	Info
	Warning
	Failure
)

func severity(s string) Severity {
	switch s {
	case "debug":
		return Debug
	case "warning":
		return Warning
	case "error":
		return Failure
	}
	return Info
}

// Mark is an event of a recording.
type Mark struct {
	Frame    int       // the frame that tells it
	Time     time.Time // when it was; a daemon's past is told when the daemon is first heard
	Seq      uint64
	Name     string
	Node     string
	Severity Severity
}

// Open opens a recording. It fails for a file that is none, or of which nothing can be read.
func Open(path string) (*Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t, err := openText(f)
	if err == nil {
		var r *Recording
		if r, err = read(t, MaxLine); err == nil {
			r.Path, r.file = path, f
			return r, nil
		}
	}
	_ = f.Close()
	return nil, fmt.Errorf("%s: %w", path, err)
}

// Read opens a recording of size octets that is not a file.
func Read(from io.ReaderAt, size int64) (*Recording, error) {
	t, err := newText(from, size)
	if err != nil {
		return nil, err
	}
	return read(t, MaxLine)
}

// Close closes the file.
func (r *Recording) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Notes says what of the file could not be read, a sentence each.
func (r *Recording) Notes() []string { return r.notes }

// Len is the number of frames.
func (r *Recording) Len() int { return len(r.lines) }

// At is the time of a frame.
func (r *Recording) At(i int) time.Time { return time.Unix(0, r.lines[i].at) }

// Start is when the recording begins: the time of its first frame.
func (r *Recording) Start() time.Time {
	if len(r.lines) == 0 {
		return r.Started
	}
	return r.At(0)
}

// End is the time of its last frame.
func (r *Recording) End() time.Time {
	if len(r.lines) == 0 {
		return r.Started
	}
	return r.At(len(r.lines) - 1)
}

// Until counts the frames that are not after a time.
func (r *Recording) Until(t time.Time) int {
	n := t.UnixNano()
	return sort.Search(len(r.lines), func(i int) bool { return r.lines[i].at > n })
}

// Kind is what a frame tells.
func (r *Recording) Kind(i int) Kind { return r.lines[i].kind }

// Nodes lists the daemons that are named, in the order in which they are.
func (r *Recording) Nodes() []string { return r.nodes }

// Node is the number in Nodes of the daemon that a frame is about; -1: about none.
func (r *Recording) Node(i int) int {
	if n := r.lines[i].node; n != maxNodes {
		return int(n)
	}
	return -1
}

// Size is how many octets of text a frame has.
func (r *Recording) Size(i int) int { return int(r.lines[i].n) }

// Events is the number of events.
func (r *Recording) Events() int { return len(r.events) }

// EventNames lists the names that events have.
func (r *Recording) EventNames() []string { return r.names }

// Event is the i-th event.
func (r *Recording) Event(i int) Mark {
	e := &r.events[i]
	return Mark{int(e.frame), time.Unix(0, e.at), e.seq, r.names[e.name], r.nodes[r.lines[e.frame].node], e.severity}
}

// EventsUntil counts the events among the first frames.
func (r *Recording) EventsUntil(frames int) int {
	return sort.Search(len(r.events), func(i int) bool { return int(r.events[i].frame) >= frames })
}

// Frame reads a frame.
func (r *Recording) Frame(i int) (Frame, error) {
	l := &r.lines[i]
	b, err := r.text.at(l.off, int(l.n))
	if err != nil {
		return Frame{}, fmt.Errorf("%s: %w", r.Path, err)
	}
	f, k, err := decode(b)
	if err == nil && k != l.kind {
		err = errors.New("the file has changed")
	}
	if err != nil {
		return Frame{}, fmt.Errorf("%s: the frame of %s: %w", r.Path, r.At(i).Format("15:04:05.000"), err)
	}
	f.At = r.At(i)
	return f, nil
}

// decode reads a line.
func decode(b []byte) (f Frame, k Kind, err error) {
	if err = json.Unmarshal(clean(b), &f); err == nil {
		k, err = f.kind()
	}
	return f, k, err
}

// steers finds what would steer a terminal: control characters as JSON writes them (the tab and ends of lines are not among them)
// and those that it leaves as they are. Pairs of backslashes are found too, because what follows them is no escape.
var steers = regexp.MustCompile(`\\\\|\\u00(?:0[0-8bcBCeEfF]|1[0-9a-fA-F]|7[fF]|[89][0-9a-fA-F])|\\[bf]|[\x{7f}-\x{9f}]`)

// clean takes that away: a recording may come from anybody.
func clean(b []byte) []byte {
	for i := 0; i+1 < len(b); i++ {
		if c := b[i+1]; b[i] == '\\' && (c == 'u' || c == 'b' || c == 'f') || b[i] == 0xc2 && c < 0xa0 || c == 0x7f {
			return steers.ReplaceAllFunc(b, func(m []byte) []byte {
				if string(m) == `\\` {
					return m
				}
				return []byte(`\ufffd`)
			})
		}
	}
	return b
}
