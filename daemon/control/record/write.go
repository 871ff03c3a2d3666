package record

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

const (
	blockSize = 1 << 20  // octets of text after which compression begins anew, so that a reader can begin there
	writeSize = 64 << 10 // octets that are collected for one write
	spare     = 1 << 10  // what the end of a compressed file may need beyond its text
)

// Options say how a recording is kept.
type Options struct {
	Max   int64 // octets of the file that are never exceeded; 0: no bound
	Force bool  // an existing file is replaced
	Gzip  bool  // compressed; Create sets it for a name that ends in .gz
}

// Stats is what a recording has come to.
type Stats struct {
	Frames, Events int
	Size           int64 // octets, compressed
}

// Writer writes a recording. It is safe for concurrent use. What is written may stay in memory until Flush or Close.
type Writer struct {
	mu    sync.Mutex
	out   io.Writer
	file  *os.File // nil: out is not a file of ours
	zip   *gzip.Writer
	max   int64
	buf   bytes.Buffer // what is to be written next
	open  int64        // octets that compression holds back, at most
	block int          // octets of text since it began anew
	last  time.Time
	stats Stats
	err   error // the first failure; nothing is written after it
}

// Create begins a recording in a new file that only its owner can read. It fails for a file that exists, unless it may be replaced.
func Create(path string, h Header, o Options) (*Writer, error) {
	if info, err := os.Lstat(path); err == nil {
		switch {
		case !o.Force:
			return nil, fmt.Errorf("%s exists: choose another name, or replace it with --force", path)
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s is not a regular file and is not replaced: choose another name", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s cannot be made: its folder does not exist", path)
	} else if err != nil {
		return nil, err
	}
	o.Gzip = o.Gzip || strings.HasSuffix(path, ".gz")
	w, err := NewWriter(f, h, o)
	if err == nil {
		w.file = f
		err = w.Flush() // a full disk is told before anything is recorded
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return w, nil
}

// NewWriter begins a recording on out. Format, version and a missing start are filled in.
func NewWriter(out io.Writer, h Header, o Options) (*Writer, error) {
	h.Format = Format
	if h.Version == "" {
		h.Version = control.Version
	}
	if h.Started.IsZero() {
		h.Started = time.Now()
	}
	h.Started = h.Started.UTC()
	w := &Writer{out: out, max: o.Max}
	if o.Gzip {
		w.zip = gzip.NewWriter(&w.buf)
	}
	line, err := json.Marshal(h)
	if err == nil && len(line) > maxHeader {
		err = fmt.Errorf("the title of a recording is too long: %d octets", len(line))
	}
	if err == nil {
		err = w.line(line)
	}
	return w, err
}

// Write adds a frame. One whose time is before that of the last gets that one's: a clock that was set back does not
// turn a recording back.
func (w *Writer) Write(f Frame) error {
	k, err := f.kind()
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.At.Before(w.last) {
		f.At = w.last
	}
	f.At = f.At.UTC()
	line, err := json.Marshal(&f)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if len(line) > MaxLine {
		return fmt.Errorf("record: what %s%s says is longer than %d MiB", f.Node, f.At.Format(" at 15:04:05"), MaxLine>>20)
	}
	if err := w.line(line); err != nil {
		return err
	}
	w.last = f.At
	w.stats.Frames++
	if k == Event {
		w.stats.Events++
	}
	return nil
}

// line adds a line if there is room for it.
func (w *Writer) line(b []byte) error {
	if w.err != nil {
		return w.err
	}
	b = append(b, '\n')
	if !w.fits(len(b)) {
		w.err = ErrFull
		return w.err
	}
	if w.zip == nil {
		w.buf.Write(b)
	} else {
		if w.block >= blockSize {
			w.settle(w.zip.Close())
			w.zip.Reset(&w.buf)
			w.block, w.open = 0, 0
		}
		_, err := w.zip.Write(b)
		w.settle(err)
		w.block += len(b)
		w.open += int64(len(b))
	}
	if w.buf.Len() >= writeSize {
		w.push()
	}
	return w.err
}

// fits says whether n octets more stay within the bound, however badly they compress.
func (w *Writer) fits(n int) bool {
	room := func() bool { return w.stats.Size+int64(w.buf.Len())+w.open+int64(n)+w.tail() <= w.max }
	if w.max == 0 || room() {
		return true
	}
	if w.zip == nil || w.open == 0 {
		return false
	}
	w.settle(w.zip.Flush())
	w.open = 0
	return room()
}

// tail is what ending the file may take.
func (w *Writer) tail() int64 {
	if w.zip == nil {
		return 0
	}
	return spare
}

// push hands what was collected to the file. If that fails, a line that was written in part is taken back.
func (w *Writer) push() {
	b := w.buf.Bytes()
	n, err := w.out.Write(b)
	if err != nil && w.file != nil && w.zip == nil {
		n = bytes.LastIndexByte(b[:n], '\n') + 1
		err = errors.Join(err, w.file.Truncate(w.stats.Size+int64(n)))
	}
	w.stats.Size += int64(n)
	w.buf.Reset()
	w.settle(err)
}

func (w *Writer) settle(err error) {
	if err != nil && (w.err == nil || errors.Is(w.err, ErrFull)) {
		w.err = fmt.Errorf("the recording cannot be written: %w", err)
	}
}

// Flush writes all that was added: whoever reads the file after a crash has at least that.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
	return w.err
}

func (w *Writer) flush() {
	if w.zip != nil && w.open > 0 && (w.err == nil || errors.Is(w.err, ErrFull)) {
		w.settle(w.zip.Flush())
		w.open = 0
	}
	if w.buf.Len() > 0 {
		w.push()
	}
}

// Stats is what was written by now.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	s.Size += int64(w.buf.Len())
	return s
}

// Close completes the recording. It fails if some of it is not in the file; that the bound was reached is no failure.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.zip != nil && (w.err == nil || errors.Is(w.err, ErrFull)) {
		w.settle(w.zip.Close())
	}
	if w.buf.Len() > 0 {
		w.push()
	}
	if w.file != nil {
		w.settle(w.file.Sync())
		w.settle(w.file.Close())
		w.file = nil
	}
	err := w.err
	w.err = fs.ErrClosed
	if errors.Is(err, ErrFull) || errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}
