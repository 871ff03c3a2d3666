package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// kekWatch is what the Checker knows of KEKs that tokens have made. Nobody else may.
type kekWatch struct {
	values map[string][][]byte // by name, in the forms in which they may be found
	made   map[string]string   // SPIs of KEKs that were taken into use, and by whom
	wiped  bool                // a token was replaced: a KEK may be lost
	seen   uint64              // states that were looked through
}

// kekMade notes a value.
func (c *Checker) kekMade(name string, value []byte) {
	if c.keks.values[name] != nil {
		c.violate(nil, "kek", "%s is made a second time", name)
	}
	c.keks.values[name] = forms(value)
}

// kekNote reads the journal of a key server.
func (c *Checker) kekNote(n *Node, e machine.Note) {
	if n.token == nil {
		return
	}
	switch e.Name {
	case gdoi.NoteKEKCreated:
		spi := field(e, "spi")
		if who, ok := c.keks.made[spi]; ok {
			c.violate(n, "kek", "takes KEK %s into use, which %s has done before", spi, who)
		}
		c.keks.made[spi] = n.Name
	case gdoi.NoteKEKLost:
		// A full token cannot take the KEK of another side, whose members then register again.
		if !c.keks.wiped && !n.token.full {
			c.violate(n, "kek-lost", "has lost KEK %s, and no token was replaced", field(e, "spi"))
		}
	}
}

// kekRecords looks for values of KEKs in what a store is asked to write: as they are, and in the forms that text has.
func (c *Checker) kekRecords(n *Node, e machine.Persist) {
	if n.token == nil {
		return
	}
	for _, r := range e.Records {
		if name := c.kekIn(r.Value); name != "" {
			c.violate(n, "kek-leak", "the record %s has the value of %s", r.Key, name)
		}
	}
}

func (c *Checker) kekIn(b []byte) string {
	for name, v := range c.keks.values {
		if len(b) >= len(v[0]) && slices.ContainsFunc(v, func(form []byte) bool { return bytes.Contains(b, form) }) {
			return name
		}
	}
	return ""
}

// forms of a value: raw, in hexadecimal digits, and in base64 wherever in the text it begins.
func forms(value []byte) [][]byte {
	out := [][]byte{bytes.Clone(value), []byte(hex.EncodeToString(value))}
	for shift := range 3 {
		part := value[shift:]
		part = part[:len(part)/3*3]
		out = append(out, []byte(base64.StdEncoding.EncodeToString(part)))
	}
	return out
}

// kekState looks through all that a key server has in its memory between two steps: its groups, and messages to other key
// servers that are under way.
func (c *Checker) kekState(n *Node) {
	if n.token == nil || !n.Up() || len(c.keks.values) == 0 {
		return
	}
	c.keks.seen++
	w := &walker{seen: map[uintptr]bool{}, look: func(path string, b []byte) {
		if name := c.kekIn(b); name != "" {
			c.violate(n, "kek-leak", "%s has the value of %s between two steps", path, name)
		}
	}}
	w.walk("", reflect.ValueOf(n.m))
}

// handingOver is how long after a fault a primary may still be without its token: it waits for a moment, and others must have
// theirs for a while before it hands over to them.
const handingOver = 15 * time.Second

// tokenless looks for primaries whose token is away, while another key server that follows them could do their work.
func (c *Checker) tokenless() {
	if !c.s.cfg.Custody || c.s.now.Sub(c.lastFault) < handingOver {
		return
	}
	for _, p := range c.s.KeyServers() {
		i := p.coopInfo()
		if i == nil || p.paused || i.Role != coop.Primary || !p.token.lost {
			continue
		}
		for _, n := range c.s.KeyServers() {
			o := n.coopInfo()
			if o != nil && !n.paused && o.Primary == i.ID && o.Ready && c.s.reach(p, n) && n.store == nil && n.slow == 0 && !n.token.lost && n.token.slow == 0 {
				c.once("tokenless", fmt.Sprintf("%s is primary without its token, %v after the last fault, and %s has one", p.Name, c.s.now.Sub(c.lastFault), n.Name))
			}
		}
	}
}

// walker visits everything that can be reached from a value, except what closures hold.
type walker struct {
	seen map[uintptr]bool
	look func(path string, b []byte)
}

func (w *walker) walk(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || w.seen[v.Pointer()] || foreign(v.Type().Elem()) {
			return
		}
		w.seen[v.Pointer()] = true
		w.walk(path, v.Elem())
	case reflect.Interface:
		if !v.IsNil() {
			w.walk(path, v.Elem())
		}
	case reflect.Struct:
		if foreign(v.Type()) {
			return
		}
		for i := range v.NumField() {
			w.walk(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			w.walk(path+"[key]", it.Key())
			w.walk(fmt.Sprintf("%s[]", path), it.Value())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			w.look(path, v.Slice(0, v.Cap()).Bytes())
			return
		}
		for i := range v.Len() {
			w.walk(path, v.Index(i))
		}
	case reflect.Array:
		if plain(v.Type().Elem().Kind()) {
			return
		}
		for i := range v.Len() {
			w.walk(path, v.Index(i))
		}
	case reflect.String:
		w.look(path, []byte(v.String()))
	}
}

// foreign types hold no keys of ours, and are large.
func foreign(t reflect.Type) bool {
	p := t.PkgPath()
	return p == "math/big" || p == "time" || p == "net/netip" || strings.HasPrefix(p, "crypto/") || strings.HasPrefix(p, "math/rand") || p == "reflect" || p == "sync"
}

func plain(k reflect.Kind) bool { return k >= reflect.Bool && k <= reflect.Complex128 }
