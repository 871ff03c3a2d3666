package remains

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Secret is what is looked for.
type Secret struct {
	Name  string
	Value []byte // at least 8 octets
}

// Least is the shortest piece of a secret that is found, in octets.
const Least = 8

// form is a secret as it may lie somewhere.
type form struct {
	secret, name string
	text         []byte
	unit         float64 // octets of the form that hold one of the secret
}

// forms are the ways in which programs write octets down: as they are; from the other end, as the limbs of big numbers;
// with the octets of each word swapped, as hashes load them; and as text.
func (s Secret) forms() ([]form, error) {
	if len(s.Value) < Least {
		return nil, fmt.Errorf("remains: %s has %d octets: too few to tell it from chance", s.Name, len(s.Value))
	}
	var all []form
	add := func(name string, text []byte, unit float64) {
		for _, f := range all {
			if string(f.text) == string(text) {
				return
			}
		}
		all = append(all, form{s.Name, name, text, unit})
	}
	add("octets", slices.Clone(s.Value), 1)
	add("reversed", swapped(s.Value, len(s.Value)), 1)
	if len(s.Value)%8 == 0 {
		add("32-bit words", swapped(s.Value, 4), 1)
		add("64-bit words", swapped(s.Value, 8), 1)
	}
	lower := hex.EncodeToString(s.Value)
	add("hex", []byte(lower), 2)
	add("hex", []byte(strings.ToUpper(lower)), 2)
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 { // where it begins in the groups of what it is part of
			text := e.EncodeToString(append(make([]byte, shift), s.Value...))
			text = text[(shift*8+5)/6:]
			if (shift+len(s.Value))%3 != 0 {
				text = text[:len(text)-1] // its last character depends on what follows
			}
			add("base64", []byte(text), 4.0/3)
		}
	}
	return all, nil
}

// swapped reverses the octets of every group of n.
func swapped(b []byte, n int) []byte {
	b = slices.Clone(b)
	for group := range slices.Chunk(b, n) {
		slices.Reverse(group)
	}
	return b
}
