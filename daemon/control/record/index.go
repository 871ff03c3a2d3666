package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// index goes through a recording once.
type index struct {
	r        *Recording
	in       *bufio.Reader
	buf      []byte // a line that is longer than the reader's buffer
	off      int64  // of the line that was read
	number   int    // of it, from 1
	nodes    map[string]uint16
	names    map[string]uint32
	bad      int // lines that could not be read
	unknown  int // lines of other kinds
	back     int // times that went back
	firstBad string
}

func read(t text, longest int) (*Recording, error) {
	x := &index{r: &Recording{text: t}, in: bufio.NewReaderSize(t, 64<<10), nodes: map[string]uint16{}, names: map[string]uint32{}}
	if err := x.header(); err != nil {
		return nil, err
	}
	for {
		b, err := x.line(longest)
		switch {
		case (err == nil || errors.Is(err, errLong)) && x.number > maxLines:
			x.finish(nil, fmt.Errorf("a recording has %d lines at most", maxLines))
			return x.r, nil
		case errors.Is(err, errLong):
			x.damage(err)
		case err == nil:
			x.add(b)
		case errors.Is(err, io.EOF):
			if len(b) > 0 && json.Valid(b) { // all but the end of the last line is there
				x.add(b)
				b = nil
			}
			x.finish(b, nil)
			return x.r, nil
		case errors.Is(err, errWhole):
			return nil, err
		default:
			x.finish(b, err)
			return x.r, nil
		}
	}
}

// maxLines is what a week of twenty daemons does not have. Each line takes memory, and a small file can be many when it is unpacked.
var maxLines = 1 << 24

// header reads the first line.
func (x *index) header() error {
	b, err := x.line(maxHeader)
	if err != nil && !errors.Is(err, errLong) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot be read: %w", err)
	}
	var h Header
	if json.Unmarshal(clean(b), &h) != nil || h.Format < 1 {
		return errors.New(`is not a recording: its first line is not {"getvpn_recording":1,…}; ` +
			"recordings are made by 'getvpn-tui record FILE' and 'getvpn-lab sim --record FILE'")
	}
	if h.Format > Format {
		return fmt.Errorf("was recorded in format %d by getvpn %s; this getvpn (%s) reads format %d: use one that is as new as that", h.Format, h.Version, control.Version, Format)
	}
	x.r.Header = h
	return nil
}

// errLong is a line that is not read.
var errLong = errors.New("is longer than a line may be")

// line reads a line without its end. At the end of the file it returns io.EOF with what there is of one.
func (x *index) line(most int) ([]byte, error) {
	x.number++
	x.off += int64(len(x.buf))
	x.buf = x.buf[:0]
	long := false
	for {
		part, err := x.in.ReadSlice('\n')
		if !long && len(x.buf)+len(part) > most+1 {
			long = true
		}
		if long { // its octets are counted, not kept
			x.off += int64(len(part))
		} else {
			x.buf = append(x.buf, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return x.buf, err
		case long:
			x.off += int64(len(x.buf))
			x.buf = x.buf[:0]
			return nil, fmt.Errorf("%w: the limit is %d octets", errLong, most)
		}
		return x.buf[:len(x.buf)-1], nil
	}
}

// add keeps where a line is.
func (x *index) add(b []byte) {
	l := line{off: x.off, n: uint32(len(b)), node: maxNodes} // MaxLine fits
	at, node, kind, ok := head(b)
	var event *control.Event
	if !ok || kind != Snapshot { // snapshots are almost all of a recording; the others are short
		f, k, err := decode(b)
		if errors.Is(err, errUnknown) {
			x.unknown++
			return
		}
		if err != nil {
			x.damage(err)
			return
		}
		at, node, kind = f.At, f.Node, k
		if k == Event {
			event = f.Watch.Event
		}
	}
	l.at, l.kind = at.UnixNano(), kind
	if n := len(x.r.lines); n > 0 && l.at < x.r.lines[n-1].at {
		l.at = x.r.lines[n-1].at
		x.back++
	}
	if node != "" {
		if l.node, ok = x.node(node); !ok {
			x.damage(fmt.Errorf("more than %d daemons are named", maxNodes))
			return
		}
	}
	if event != nil {
		x.r.events = append(x.r.events, mark{event.Seq, event.Time.UnixNano(), int32(len(x.r.lines)), x.name(event.Name), severity(event.Severity)})
	}
	x.r.lines = append(x.r.lines, l)
}

func (x *index) node(name string) (uint16, bool) {
	n, ok := x.nodes[name]
	if !ok {
		if len(x.r.nodes) >= maxNodes {
			return 0, false
		}
		n = uint16(len(x.r.nodes))
		x.nodes[name] = n
		x.r.nodes = append(x.r.nodes, name)
	}
	return n, true
}

func (x *index) name(name string) uint32 {
	n, ok := x.names[name]
	if !ok {
		n = uint32(len(x.r.names))
		x.names[name] = n
		x.r.names = append(x.r.names, name)
	}
	return n
}

func (x *index) damage(err error) {
	if x.bad++; x.bad == 1 {
		x.firstBad = fmt.Sprintf("line %d: %v", x.number, err)
	}
}

// finish says what was wrong. rest is what there is of a last line; err why the file cannot be read further.
func (x *index) finish(rest []byte, err error) {
	note := func(format string, args ...any) { x.r.notes = append(x.r.notes, fmt.Sprintf(format, args...)) }
	switch {
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		note("line %d cannot be read: %v; the recording plays up to there", x.number, err)
	case err != nil || len(rest) > 0:
		note("the file ends in the middle of line %d, as if its writer had been killed; it plays up to there", x.number)
	}
	if x.bad > 0 {
		note("%d lines cannot be read and are left out; the first is %s", x.bad, x.firstBad)
	}
	if x.unknown > 0 {
		note("%d lines are of a kind that this version does not know, and are left out", x.unknown)
	}
	if x.back > 0 {
		note("times go back %d times; what came then is shown at the time before", x.back)
	}
}

// head reads the beginning of a line as a Writer writes it, up to what the frame tells; false: it is written otherwise.
func head(b []byte) (at time.Time, node string, k Kind, ok bool) {
	value := func(key string) (string, bool) {
		if !bytes.HasPrefix(b, []byte(key)) {
			return "", false
		}
		rest := b[len(key):]
		end := bytes.IndexByte(rest, '"')
		if end < 0 || bytes.IndexByte(rest[:end], '\\') >= 0 || bytes.IndexByte(rest[:end], 0xc2) >= 0 {
			return "", false
		}
		b = rest[end+1:]
		return string(rest[:end]), true
	}
	text, ok := value(`{"at":"`)
	at, err := time.Parse(time.RFC3339Nano, text)
	if !ok || err != nil || at.Year() < 1970 || at.Year() > 2200 || !bytes.HasSuffix(b, []byte("}")) {
		return at, "", 0, false
	}
	node, named := value(`,"node":"`)
	if named {
		value(`,"role":"`)
	}
	for _, w := range []struct {
		text  string
		kind  Kind
		named bool
	}{
		{`,"watch":{"snapshot":{`, Snapshot, true}, {`,"watch":{"event":{`, Event, true}, {`,"gone":"`, Gone, true},
		{`,"lab":{`, Lab, false}, {`,"course":{`, Course, false},
	} {
		if bytes.HasPrefix(b, []byte(w.text)) && named == w.named && (!named || node != "") {
			return at, node, w.kind, true
		}
	}
	return at, "", 0, false
}
