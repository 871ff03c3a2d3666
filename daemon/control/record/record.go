// Package record is the file that a group's past is kept in: what daemons said on their control sockets, one line after the other,
// as the console saw it or as the simulator made it up.
//
// A recording is text, one JSON value a line, perhaps compressed with gzip. The first line is a Header:
//
//	{"getvpn_recording":1,"version":"v1.2","started":"2026-11-29T12:00:00Z","title":"lab basic","lab":"basic"}
//
// and each other one a Frame, which is one of
//
//	{"at":"…","node":"ks1","role":"ks","watch":{"snapshot":{…}}}    a daemon's word: a control.Watch
//	{"at":"…","node":"ks1","role":"ks","watch":{"event":{…}}}
//	{"at":"…","node":"ks1","gone":"why"}                            it says nothing any more
//	{"at":"…","lab":{…}}                                            lab.json as it is from now on
//	{"at":"…","course":{…}}                                         course.json as it is from now on
//	{"at":"…","end":"why"}                                          nothing more was heard until here, when the recording ended
//
// Times never go back. There is no key material in a recording, as there is none on control sockets; but it names everybody who is
// in a group, so a file is its owner's alone (mode 0600).
//
// A Writer writes such a file, and Open reads it: it goes through the file once, keeps where each line is, and reads a line
// only when it is asked for, so that a long recording opens at once and needs little memory. What cannot be read is left out and said
// (Recording.Notes); a file that was cut, because its writer crashed, is good up to there.
package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// Format is the version of the file format that this package writes, and the newest that it reads.
const Format = 1

const (
	// MaxLine bounds a line, its end not counted: a snapshot of a very large group fits.
	MaxLine = 64 << 20
	// maxHeader bounds the first line, so that a file of another kind is told early.
	maxHeader = 64 << 10
	// maxNodes bounds how many daemons a recording may name.
	maxNodes = 1<<16 - 1
)

// Header is the first line of a recording.
type Header struct {
	Format  int       `json:"getvpn_recording"`
	Version string    `json:"version"` // of the program that wrote it
	Started time.Time `json:"started"`
	Title   string    `json:"title"` // what was recorded: lab basic, /run/getvpn
	Lab     string    `json:"lab"`   // name of the lab, or empty
}

// Frame is any other line: exactly one of Watch, Gone, Lab, Course and End is set.
type Frame struct {
	At     time.Time       `json:"at"`
	Node   string          `json:"node,omitempty"` // whom Watch and Gone are about
	Role   string          `json:"role,omitempty"` // control.RoleKeyServer or RoleGroupMember; empty: not known
	Watch  *control.Watch  `json:"watch,omitempty"`
	Gone   string          `json:"gone,omitempty"` // why a daemon says nothing any more, or does not yet
	Lab    json.RawMessage `json:"lab,omitempty"`
	Course json.RawMessage `json:"course,omitempty"`
	End    string          `json:"end,omitempty"` // why the recording ended
}

// Kind is what a frame tells.
type Kind uint8

// Kinds of frames.
const (
	Snapshot Kind = iota + 1
	Event
	Gone
	Lab
	Course
	End
)

// ErrFull is what Write fails with when a recording has reached its bound.
var ErrFull = errors.New("the recording has reached its largest size")

// errUnknown is a frame that says nothing that this version knows.
var errUnknown = errors.New("a kind of line that this version does not know")

// kind says what a frame tells, and fails for one that is not well-formed.
func (f *Frame) kind() (k Kind, err error) {
	set := 0
	mark := func(there bool, is Kind) {
		if there {
			set, k = set+1, is
		}
	}
	if f.Watch != nil {
		mark(f.Watch.Snapshot != nil, Snapshot)
		mark(f.Watch.Event != nil, Event)
	}
	mark(f.Gone != "", Gone)
	mark(f.Lab != nil, Lab)
	mark(f.Course != nil, Course)
	mark(f.End != "", End)
	switch {
	case set == 0:
		return 0, errUnknown
	case set > 1:
		return 0, errors.New("more than one of snapshot, event, gone, lab, course and end")
	case f.Node == "" && (k == Snapshot || k == Event || k == Gone):
		return 0, errors.New("no node is named")
	}
	if year := f.At.UTC().Year(); year < 1970 || year > 2200 {
		return 0, fmt.Errorf("the time %q is no time of a recording", f.At.Format(time.RFC3339))
	}
	return k, nil
}
