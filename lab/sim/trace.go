package sim

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Entry is a line of a run's trace.
type Entry struct {
	At time.Duration
	// Kind is "start", "crash", "fault", "note", "persist", "violation", or what becomes of a datagram: "receive", "lost",
	// "unreachable".
	Kind string
	// Node is whom it happens to; From the sender of a datagram.
	Node, From string
	Text       string
}

// String is the line.
func (e Entry) String() string {
	who := e.Node
	if e.From != "" {
		who = e.From + " -> " + e.Node
	}
	return fmt.Sprintf("%12.6f %-11s %-14s %s", e.At.Seconds(), e.Kind, who, e.Text)
}

// WriteTrace writes entries, a line each.
func WriteTrace(w io.Writer, entries []Entry) error {
	for _, e := range entries {
		if _, err := fmt.Fprintln(w, e); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sim) log(e Entry) {
	if s.Log != nil {
		e.At = s.Now()
		s.Log(e)
	}
}

func (s *Sim) logDatagram(what string, from, to *Node, b []byte) {
	if s.Arrive != nil && to != nil {
		s.Arrive(what, from, to, b)
	}
	if s.Log == nil || to == nil {
		return
	}
	s.log(Entry{Kind: what, Node: to.Name, From: from.Name, Text: describe(b)})
}

func (s *Sim) logNote(n *Node, e machine.Note) {
	if s.Log == nil {
		return
	}
	text := e.Name
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	if e.Peer != "" {
		text += " peer=" + e.Peer
	}
	for _, f := range e.Fields {
		text += " " + f.Key + "=" + f.Value
	}
	s.log(Entry{Kind: "note", Node: n.Name, Text: text + ": " + e.Text})
}

// logPersist names the records, without what is in them.
func (s *Sim) logPersist(n *Node, e machine.Persist) {
	if s.Log == nil {
		return
	}
	var names []string
	for _, r := range e.Records {
		name := r.Key
		if r.Value == nil {
			name = "-" + name
		}
		names = append(names, name)
	}
	s.log(Entry{Kind: "persist", Node: n.Name, Text: fmt.Sprintf("#%d %s", e.ID, strings.Join(names, " "))})
}

// describe says what a datagram is, as far as its header tells.
func describe(b []byte) string {
	if len(b) < isakmp.HeaderLen {
		return fmt.Sprintf("%d octets", len(b))
	}
	name := fmt.Sprintf("exchange %d", b[18])
	switch isakmp.ExchangeType(b[18]) {
	case isakmp.ExchangeMainMode:
		name = "phase 1"
	case isakmp.ExchangeInformational:
		name = "informational"
	case isakmp.ExchangeGroupkeyPull:
		name = "PULL"
	case isakmp.ExchangeGroupkeyPush:
		name = "PUSH"
	case isakmp.ExchangeGroupkeyPushAck:
		name = "PUSH-ACK"
	case isakmp.ExchangeCoop:
		name = "COOP"
	}
	return fmt.Sprintf("%s %x %d octets", name, b[20:24], len(b))
}
