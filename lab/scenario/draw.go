package scenario

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// draw: is values that differ from one up to the next, so that who knows an exercise does not know its solution:
//
//	draw:
//	  site: 20..99                                   ${site} is a number of these
//	  suite: [aes-128-gcm, aes-256-gcm]              ${suite} is one of these
//	  victim, witness:                               two different ones of these: ${victim.gm}, ${witness.host}
//	    - {gm: gm1, host: h1, lan: "10.${site}.1.0/24"}
//	    - {gm: gm2, host: h2, lan: "10.${site}.2.0/24"}
//
// What is drawn above may be used below. The seed decides all of it: a lab keeps the seed, and whoever reads its scenario with it
// gets the same values. Each line draws from its own stream, so that a line more leaves the others as they were.
const keyDraw = "draw"

var (
	numbers   = regexp.MustCompile(`^(\d{1,9})\.\.(\d{1,9})$`)
	drawnName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// draw gives the values; seed 0 is 1.
func draw(file string, root *yaml.Node, vars map[string]string, seed uint64) (map[string]string, error) {
	out := map[string]string{}
	from := value(root, keyDraw)
	if from == nil {
		return out, nil
	}
	if from.Kind != yaml.MappingNode {
		return nil, &Error{file, posOf(from), "draw: is a mapping, as in draw: {victim: [gm1, gm2]}"}
	}
	known := func(k string) (string, bool) {
		if v, ok := out[k]; ok {
			return v, true
		}
		v, ok := vars[k]
		return v, ok
	}
	for i := 0; i+1 < len(from.Content); i += 2 {
		key, val := from.Content[i], from.Content[i+1]
		h := fnv.New64a()
		_, _ = h.Write([]byte(key.Value))                     // never fails
		rng := rand.New(rand.NewPCG(max(seed, 1), h.Sum64())) //nolint:gosec // not for secrets: a seed repeats it
		got, err := drawOne(strings.Split(key.Value, ","), val, rng)
		if err != nil {
			return nil, located(file, err)
		}
		for _, k := range slices.Sorted(maps.Keys(got)) {
			v := got[k]
			if _, twice := known(k); twice {
				return nil, &Error{file, posOf(key), fmt.Sprintf("draw: ${%s} is declared already", k)}
			}
			text, unknown := expand(v, known)
			if len(unknown) > 0 {
				return nil, &Error{file, posOf(val), fmt.Sprintf("draw: ${%s} is neither in vars nor drawn above", unknown[0])}
			}
			out[k] = text
		}
	}
	return out, nil
}

// drawOne draws what one line asks for: a different choice for each of its names.
func drawOne(names []string, from *yaml.Node, rng *rand.Rand) (map[string]string, error) {
	out := map[string]string{}
	for i := range names {
		if names[i] = strings.TrimSpace(names[i]); !drawnName.MatchString(names[i]) {
			return nil, errAt(from, "draw: %q is no name: a small letter, then small letters, digits and underscores", names[i])
		}
	}
	if m := numbers.FindStringSubmatch(from.Value); from.Kind == yaml.ScalarNode && m != nil {
		low, _ := strconv.Atoi(m[1]) // nine digits at most
		high, _ := strconv.Atoi(m[2])
		if high-low+1 < len(names) {
			return nil, errAt(from, "draw: %s has not enough numbers for %d names", from.Value, len(names))
		}
		for i, at := range distinct(rng, high-low+1, len(names)) {
			out[names[i]] = strconv.Itoa(low + at)
		}
		return out, nil
	}
	if from.Kind != yaml.SequenceNode || len(from.Content) < len(names) || len(from.Content) < 2 {
		return nil, errAt(from, "draw: write numbers as 20..99, or a list of at least two choices, and as many as there are names")
	}
	choices := make([]map[string]string, len(from.Content)) // by what is behind the name: "" or ".gm"
	for i, c := range from.Content {
		choices[i] = map[string]string{}
		if c.Kind == yaml.ScalarNode {
			choices[i][""] = c.Value
			continue
		}
		for k := 0; k+1 < len(c.Content); k += 2 {
			choices[i]["."+c.Content[k].Value] = c.Content[k+1].Value
			if c.Content[k+1].Kind != yaml.ScalarNode {
				return nil, errAt(c.Content[k+1], "draw: a choice holds plain values only")
			}
		}
		if c.Kind != yaml.MappingNode {
			return nil, errAt(c, "draw: a choice is a value, or a mapping of values")
		}
	}
	for i, at := range distinct(rng, len(choices), len(names)) {
		for k, v := range choices[at] {
			out[names[i]+k] = v
		}
	}
	return out, nil
}

// distinct draws k different numbers below n, k at most n, without a list of all n.
func distinct(rng *rand.Rand, n, k int) []int {
	var out []int
	taken := map[int]bool{}
	for len(out) < k {
		if at := rng.IntN(n); !taken[at] {
			taken[at] = true
			out = append(out, at)
		}
	}
	return out
}

// without is a mapping that lacks a key.
func without(n *yaml.Node, key string) *yaml.Node {
	out := *n
	out.Content = nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != key {
			out.Content = append(out.Content, n.Content[i], n.Content[i+1])
		}
	}
	return &out
}
