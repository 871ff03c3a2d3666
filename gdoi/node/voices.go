package node

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Limits of how loud peers can be in the journal; not configurable. Each source is heard at once, then every 10 s; all
// of them together, since a source may be a lie, a hundred times and then once a second.
const (
	voiceBurst  = 3
	voiceEvery  = 10 * time.Second
	chorusBurst = 100
	chorusEvery = time.Second
	maxVoices   = 4096
)

// voices writes events that peers cause, within those limits, and says how many it has left out.
type voices struct {
	of      map[voiceKey]*voice
	chorus  machine.Bucket
	swept   machine.Bucket
	unheard uint64 // left out, and their sources not even remembered
}

type voiceKey struct {
	source netip.Addr
	name   string
}

type voice struct {
	bucket  machine.Bucket
	unheard uint64
}

// note adds the event n of a source, or counts it.
func (v *voices) note(now machine.Now, source netip.Addr, n machine.Note, out machine.Effects) machine.Effects {
	k := voiceKey{sourceOf(source), n.Name}
	x := v.of[k]
	if x == nil {
		if !v.room(now) {
			v.unheard++
			return out
		}
		x = &voice{}
		v.of[k] = x
	}
	if !x.bucket.Has(now.Mono, voiceBurst, voiceEvery) || !v.chorus.Take(now.Mono, chorusBurst, chorusEvery) {
		x.unheard++
		return out
	}
	x.bucket.Take(now.Mono, voiceBurst, voiceEvery)
	n = counted(n, "suppressed", "%s (%d more from this source were not written)", &x.unheard)
	n = counted(n, "suppressed-others", "%s (%d more from other sources were not written)", &v.unheard)
	return append(out, n)
}

func counted(n machine.Note, field, format string, unheard *uint64) machine.Note {
	if *unheard > 0 {
		n.Text = fmt.Sprintf(format, n.Text, *unheard)
		n.Fields = append(n.Fields, machine.F(field, fmt.Sprint(*unheard)))
		*unheard = 0
	}
	return n
}

// room says whether one more source can be remembered; those that have been quiet are forgotten.
func (v *voices) room(now machine.Now) bool {
	if v.of == nil {
		v.of = map[voiceKey]*voice{}
	}
	if len(v.of) >= maxVoices && v.swept.Take(now.Mono, 1, voiceEvery) {
		for k, x := range v.of {
			if x.bucket.Full(now.Mono) {
				v.unheard += x.unheard
				delete(v.of, k)
			}
		}
	}
	return len(v.of) < maxVoices
}
