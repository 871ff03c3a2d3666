package keyserver

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Bounds of what is remembered. Forgetting the oldest costs registrations, and nothing else.
const (
	maxReigns = 64
	maxCuts   = 256
	maxEnded  = 4096
)

// Kinds of their records.
const (
	descentKey = "descent"
	reignKey   = "reign"
	endedKind  = "ended"
	cutKind    = "cut"
)

type descentRecord struct {
	Origin string
	Others []reignRecord `json:",omitempty"`
}

type reignRecord struct {
	Name    string
	Changes uint64
}

type endedRecord struct {
	Until time.Time
	Seq   uint32 `json:",omitempty"`
}

type cutRecord struct{ At time.Time }

// pastKeys lists its records.
func (g *Group) pastKeys() (out []string) {
	if g.past.origin != 0 {
		out = append(out, descentKey)
	}
	if g.past.reign.name != 0 {
		out = append(out, reignKey)
	}
	for key := range g.past.ended {
		out = append(out, endedKind+"/"+key)
	}
	for spi := range g.past.cuts {
		out = append(out, cutKind+"/"+spi)
	}
	if g.merging != nil {
		out = append(out, mergeKey)
	}
	slices.Sort(out)
	return out
}

// hasPast says whether there is such a record.
func (g *Group) hasPast(kind, name string) (ok bool) {
	switch kind {
	case descentKey:
		return g.past.origin != 0
	case reignKey:
		return g.past.reign.name != 0
	case mergeKey:
		return g.merging != nil
	case endedKind:
		_, ok = g.past.ended[name]
	case cutKind:
		_, ok = g.past.cuts[name]
	}
	return ok
}

// encodePast is a record of the past; nil if it is no more.
func (g *Group) encodePast(now machine.Now, key string) []byte {
	p := &g.past
	kind, name, _ := strings.Cut(key, "/")
	switch kind {
	case descentKey:
		if p.origin == 0 {
			return nil
		}
		r := descentRecord{Origin: seedText(p.origin)}
		for _, o := range p.others {
			r.Others = append(r.Others, reignRecord{seedText(o.name), o.changes})
		}
		return encode(r)
	case reignKey:
		if p.reign.name != 0 {
			return encode(reignRecord{seedText(p.reign.name), p.reign.changes})
		}
	case endedKind:
		if e, ok := p.ended[name]; ok {
			return encode(endedRecord{now.WallAt(e.until), e.seq})
		}
	case cutKind:
		if at, ok := p.cuts[name]; ok {
			return encode(cutRecord{now.WallAt(at)})
		}
	case mergeKey:
		return encodeMerging(now, g.merging)
	}
	return nil
}

// restorePast reads one of these records.
func (g *Group) restorePast(now machine.Now, kind, name string, b []byte) error {
	p := &g.past
	switch kind {
	case descentKey:
		return p.restoreDescent(b)
	case reignKey:
		var r reignRecord
		if err := json.Unmarshal(b, &r); err != nil {
			return err
		}
		name, err := parseSeed(r.Name)
		p.reign = reign{name, r.Changes}
		return err
	case endedKind:
		var r endedRecord
		if err := json.Unmarshal(b, &r); err != nil {
			return err
		}
		if !strings.HasPrefix(name, "tek/") && !strings.HasPrefix(name, "kek/") {
			return errRecord
		}
		mark(&p.ended, name, ended{now.MonoAt(r.Until), r.Seq})
	case cutKind:
		var r cutRecord
		if err := json.Unmarshal(b, &r); err != nil {
			return err
		}
		if spi, err := hex.DecodeString(name); err != nil || len(spi) != len(gdoi.KEKSPI{}) {
			return errRecord
		}
		mark(&p.cuts, name, now.MonoAt(r.At))
	case mergeKey:
		return g.restoreMerging(now, b)
	}
	return nil
}

func (p *past) restoreDescent(b []byte) error {
	var r descentRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	origin, err := parseSeed(r.Origin)
	if err != nil || origin == 0 || len(r.Others) > maxReigns {
		return errRecord
	}
	p.origin, p.others = origin, nil
	for _, o := range r.Others {
		name, err := parseSeed(o.Name)
		if err != nil {
			return err
		}
		p.others = append(p.others, reign{name, o.Changes})
	}
	return nil
}

func seedText(n uint64) string { return fmt.Sprintf("%016x", n) }

func parseSeed(s string) (n uint64, err error) {
	if _, err := fmt.Sscanf(s, "%016x", &n); err != nil || len(s) != seedTextLen {
		return 0, errRecord
	}
	return n, nil
}

// removePast carries out the deletion of one of these records. Descent and reign are never deleted.
func (g *Group) removePast(key string) {
	kind, name, _ := strings.Cut(key, "/")
	switch kind {
	case endedKind:
		delete(g.past.ended, name)
	case cutKind:
		delete(g.past.cuts, name)
	case mergeKey:
		g.merging = nil
	}
	if kind != descentKey && kind != reignKey {
		g.mustWrite(key)
	}
}

// takePast puts what was received in the place of what there was.
func (g *Group) takePast(in *Group) {
	p := &g.past
	if in.past.origin != 0 {
		p.origin, p.others = in.past.origin, in.past.others
	}
	if in.past.reign.name != 0 {
		p.reign = in.past.reign
	}
	for key, e := range in.past.ended {
		was := p.ended[key] // of a KEK, what was used here last need not be known there
		mark(&p.ended, key, ended{max(e.until, was.until), max(e.seq, was.seq)})
	}
	for spi, at := range in.past.cuts {
		mark(&p.cuts, spi, at)
	}
	if in.merging != nil {
		g.merging = in.merging
	}
	for _, key := range in.pastKeys() {
		g.mustWrite(key)
	}
}
