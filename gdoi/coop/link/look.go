package link

// Kinds of what Look finds.
const (
	LookAck      = "ack"
	LookData     = "data"
	LookAnnounce = "announcement"
)

// Looked is a frame for people.
type Looked struct {
	Kind     string
	Seq, Ack uint64
	Segment  uint64 // of data, from 1
	Last     bool   // it ends its message
	Body     []byte // aliases the frame
}

// Look reads a frame without any state.
func Look(b []byte) (Looked, error) {
	f, err := parseFrame(b)
	if err != nil {
		return Looked{}, err
	}
	out := Looked{Kind: LookAck, Seq: f.seq, Ack: f.ack, Segment: f.segment, Last: f.flags&flagLast != 0, Body: f.body}
	switch f.kind {
	case kindData:
		out.Kind = LookData
	case kindAnnounce:
		out.Kind = LookAnnounce
	}
	return out, nil
}
