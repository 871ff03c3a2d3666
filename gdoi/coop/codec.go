package coop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// The octets of a message, numbers in network order:
//
//	version (1)  kind (1)  length of the group's id (1)  group's id  body
//
// A string is its length (2) and octets. Records are their number (4), then for each a string for the key, and the
// length of the value plus one (4), zero for a deletion, and the value. Their bucket is the group.

// ErrMalformed is what Decode wraps.
var ErrMalformed = errors.New("coop: malformed message")

// Bounds of what is accepted.
const (
	maxTerm = 1 << 56
	// maxPseudotime: two of them are a Duration apart.
	maxPseudotime = 1 << 62
	maxLines      = 4096
	maxSoftware   = 64
	maxKeyDER     = 4096
	maxWhy        = 512
)

// Encode makes the octets of a message about a group.
func Encode(group string, m Message) []byte {
	b := make([]byte, 0, sizeHint(m))
	b = append(b, ProtocolVersion, byte(m.kind()), byte(len(group)))
	return m.encode(append(b, group...))
}

// sizeHint avoids that keys stay behind in buffers that grew.
func sizeHint(m Message) int {
	n := 512
	var records []machine.Record
	switch m := m.(type) {
	case *Join:
		records = m.Records
	case *State:
		records = m.Records
	case *Report:
		records = m.Records
	case *Policy:
		for _, l := range m.Lines {
			n += len(l) + 2
		}
	case *Key:
		n += len(m.DER)
	case *Transport:
		n += len(m.Key)
	}
	for _, r := range records {
		n += len(r.Key) + len(r.Value) + 6
	}
	return n
}

// GroupOf says which group a message is about, and in which version it is.
func GroupOf(b []byte) (group string, version uint8, err error) {
	if len(b) < 3 || len(b) < 3+int(b[2]) {
		return "", 0, fmt.Errorf("%w: no header in %d octets", ErrMalformed, len(b))
	}
	return string(b[3 : 3+int(b[2])]), b[0], nil
}

var kindNames = [...]string{
	kindStatus: "status", kindKey: "key", kindPolicy: "policy", kindJoin: "join", kindState: "state", kindHave: "have", kindReport: "report",
	kindReported: "reported", kindRejoin: "rejoin", kindBroken: "broken", kindHandover: "handover", kindTransport: "transport",
}

// KindOf names the kind of a message of which the beginning is there.
func KindOf(b []byte) string {
	if len(b) < 2 || int(b[1]) >= len(kindNames) || kindNames[b[1]] == "" {
		return "unknown"
	}
	return kindNames[b[1]]
}

// Decode reads a message. Nothing in it aliases b.
func Decode(b []byte) (string, Message, error) {
	group, version, err := GroupOf(b)
	if err != nil {
		return "", nil, err
	}
	if version != ProtocolVersion {
		return group, nil, fmt.Errorf("%w: version %d, not %d; all key servers of a group have to run releases that speak one version", ErrMalformed, version, ProtocolVersion)
	}
	var m Message
	switch kind(b[1]) {
	case kindStatus:
		m = new(Status)
	case kindKey:
		m = new(Key)
	case kindPolicy:
		m = new(Policy)
	case kindJoin:
		m = new(Join)
	case kindState:
		m = new(State)
	case kindHave:
		m = new(Have)
	case kindReport:
		m = new(Report)
	case kindReported:
		m = new(Reported)
	case kindRejoin:
		m = new(Rejoin)
	case kindBroken:
		m = new(Broken)
	case kindHandover:
		m = new(Handover)
	case kindTransport:
		m = new(Transport)
	default:
		return group, nil, fmt.Errorf("%w: kind %d", ErrMalformed, b[1])
	}
	r := &reader{b: b[3+len(group):]}
	m.decode(r)
	if len(r.b) > 0 {
		r.fail("octets after the end")
	}
	if r.err != nil {
		return group, nil, fmt.Errorf("%w: kind %d: %s", ErrMalformed, b[1], r.err)
	}
	return group, m, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendKey(b, key []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(key))), key...)
}

func appendVersion(b []byte, v Version) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, v.Term), v.N)
}

func appendRecords(b []byte, records []machine.Record) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(records)))
	for _, r := range records {
		b = appendText(b, r.Key)
		if r.Value == nil {
			b = binary.BigEndian.AppendUint32(b, 0)
			continue
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(r.Value))+1)
		b = append(b, r.Value...)
	}
	return b
}

// printable cuts a text to what a message takes.
func printable(s string, limit int) string {
	b := []byte(s)
	b = slices.DeleteFunc(b, func(c byte) bool { return c < ' ' || c == 0x7f })
	return string(b[:min(len(b), limit)])
}
