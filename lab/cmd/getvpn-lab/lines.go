package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// lines lets several write whole lines to one place.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// of is a writer whose lines begin with who wrote them.
func (l *lines) of(who string) io.Writer { return prefixed{l, who} }

type prefixed struct {
	l   *lines
	who string
}

func (p prefixed) Write(b []byte) (int, error) {
	var out bytes.Buffer
	for line := range bytes.Lines(b) {
		fmt.Fprintf(&out, "%-20s %s", p.who, line)
	}
	if _, err := p.l.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}
