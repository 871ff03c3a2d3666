package remains

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Find is a piece of a secret, found.
type Find struct {
	Secret string
	Form   string
	Octets int    // of the secret
	Of     int    // octets that the secret has
	Place  string // a file, or a region of memory
	At     uint64 // offset or address
	Owner  Owner  // of memory
}

func (f Find) String() string {
	return fmt.Sprintf("%d of %d octets of %s (%s) at %#x in %s", f.Octets, f.Of, f.Secret, f.Form, f.At, f.Place)
}

// Finder looks for the same secrets in many places.
type Finder struct {
	forms   []form
	longest int
	index   map[uint64][]spot
	filter  [1 << 16]uint64 // a bit for the hash of every key of index
}

// spot is a place in a form.
type spot struct{ form, at int }

// NewFinder makes a finder; it keeps copies of the secrets.
func NewFinder(secrets ...Secret) (*Finder, error) {
	f := &Finder{index: map[uint64][]spot{}}
	for _, s := range secrets {
		forms, err := s.forms()
		if err != nil {
			return nil, err
		}
		f.forms = append(f.forms, forms...)
	}
	for i, form := range f.forms {
		f.longest = max(f.longest, len(form.text))
		for at := 0; at+Least <= len(form.text); at++ {
			key := binary.LittleEndian.Uint64(form.text[at:])
			h := hash(key)
			f.index[key] = append(f.index[key], spot{i, at})
			f.filter[h>>6] |= 1 << (h & 63)
		}
	}
	return f, nil
}

// hash has 22 bits.
func hash(key uint64) uint64 { return key * 0x9e3779b97f4a7c15 >> 42 }

// Octets looks into b, which is at base of a place.
func (f *Finder) Octets(b []byte, base uint64, place string) (all []Find) {
	return f.in(b, len(b), base, place)
}

// in reports what begins before limit.
func (f *Finder) in(b []byte, limit int, base uint64, place string) (all []Find) {
	for i := 0; i < limit && i+Least <= len(b); i++ {
		key := binary.LittleEndian.Uint64(b[i:])
		if h := hash(key); f.filter[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		find, n := f.longestAt(b, i)
		if n == 0 {
			continue
		}
		find.Place, find.At = place, base+uint64(i)
		all = append(all, find)
		i += n - 1
	}
	return all
}

// longestAt is the longest piece of any form at i; it must hold Least octets of its secret.
func (f *Finder) longestAt(b []byte, i int) (best Find, length int) {
	for _, s := range f.index[binary.LittleEndian.Uint64(b[i:])] {
		form := f.forms[s.form]
		rest := form.text[s.at:]
		n := Least
		for n < len(rest) && i+n < len(b) && rest[n] == b[i+n] {
			n++
		}
		octets := int(float64(n) / form.unit)
		if octets >= Least && n > length {
			best, length = Find{Secret: form.secret, Form: form.name, Octets: octets, Of: int(float64(len(form.text))/form.unit + 0.5)}, n
		}
	}
	return best, length
}

// Text looks into what is text or came over a socket.
func (f *Finder) Text(b []byte, place string) []Find { return f.Octets(b, 0, place) }

// Of keeps the finds of a secret.
func Of(all []Find, secret string) []Find {
	return slices.DeleteFunc(slices.Clone(all), func(f Find) bool { return f.Secret != secret })
}

// By keeps the finds in memory of an owner.
func By(all []Find, o Owner) []Find {
	return slices.DeleteFunc(slices.Clone(all), func(f Find) bool { return f.Owner != o })
}

// empty tells whether there is nothing in b: most pages of a process.
func empty(b []byte) bool { return len(b) == len(zeros) && bytes.Equal(b, zeros[:]) }

var zeros [4096]byte
