package link

// receiver is the stream from the peer.
type receiver struct {
	next     uint64 // number of the segment that is wanted
	early    map[uint64]early
	message  []byte // what is here of the message that next continues
	unacked  int
	overlong bool // the peer sends a message that is too long; its stream ends here
}

// early is a segment that came before one that is missing.
type early struct {
	body []byte
	last bool
}

func (r *receiver) reset() {
	clear(r.message)
	for _, e := range r.early {
		clear(e.body)
	}
	*r = receiver{next: 1, early: map[uint64]early{}}
}

// acknowledgement says what is here.
func (r *receiver) acknowledgement() (ack, more uint64) {
	if len(r.early) > 0 {
		for i := range uint64(64) {
			if _, ok := r.early[r.next+1+i]; ok {
				more |= 1 << i
			}
		}
	}
	return r.next, more
}

// fits says whether a segment can be taken.
func (r *receiver) fits(f *frame) error {
	switch {
	case r.overlong:
		return dropped(ReasonTooLong, "the message goes on beyond %d octets", MaxMessage)
	case f.segment >= r.next+receiveAhead && f.segment > r.next:
		return dropped(ReasonWindow, "segment %d is too far ahead of %d", f.segment, r.next)
	}
	return nil
}

// take takes a segment, keeping its body, and returns the messages that are whole now, and whether the sender should hear
// of it at once.
func (r *receiver) take(f *frame) (messages [][]byte, hurry bool) {
	if _, dup := r.early[f.segment]; dup || f.segment < r.next {
		clear(f.body)
		return nil, true
	}
	r.early[f.segment] = early{f.body, f.flags&flagLast != 0}
	for {
		e, ok := r.early[r.next]
		if !ok {
			break
		}
		delete(r.early, r.next)
		if len(r.message)+len(e.body) > MaxMessage {
			clear(e.body)
			r.overlong = true
			return messages, false
		}
		r.next++
		r.join(e.body)
		if e.last {
			messages, r.message = append(messages, r.message), nil
			hurry = true
		}
	}
	r.unacked++
	return messages, hurry || len(r.early) > 0 || r.unacked >= maxUnacked
}

// join appends to the message, leaving no copies behind.
func (r *receiver) join(body []byte) {
	if r.message == nil {
		r.message = body[:len(body):len(body)]
		return
	}
	if need := len(r.message) + len(body); need > cap(r.message) {
		larger := append(make([]byte, 0, max(need, 2*cap(r.message))), r.message...)
		clear(r.message)
		r.message = larger
	}
	r.message = append(r.message, body...)
	clear(body)
}
