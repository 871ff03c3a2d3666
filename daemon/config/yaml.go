package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// kind of a value.
type kind uint8

const (
	scalar kind = iota
	mapping
	sequence
)

func (k kind) String() string { return [...]string{"a value", "a mapping (key: value)", "a list"}[k] }

// value is one node of the file with its place. This file alone knows the YAML library.
type value struct {
	kind      kind
	text      string // scalar
	tag       string // scalar: !!str, !!int, !!bool, !!null, ...
	quote     int    // octets before the text starts: 1 when quoted
	bad       bool   // reported already
	block     bool   // a block scalar: columns inside mean nothing
	line, col int    // from 1
	pairs     []pair
	items     []*value
}

type pair struct {
	key *value
	val *value
}

const maxDepth = 32

// parse turns the text into values; syntax errors and duplicates go to d.
func (d *decoder) parse(text []byte) *value {
	var doc yaml.Node
	if len(bytes.TrimSpace(text)) == 0 {
		d.failAt(1, 1, "the file is empty")
		return nil
	}
	if err := yaml.Load(text, &doc); err != nil {
		line, col, msg := syntaxError(err)
		d.failAt(line, col, "%s", msg)
		return nil
	}
	if len(doc.Content) == 0 {
		d.failAt(1, 1, "the file says nothing")
		return nil
	}
	return d.convert(doc.Content[0], 0)
}

// syntaxError takes place and message out of the library's error.
func syntaxError(err error) (line, col int, msg string) {
	var e *yaml.LoadError
	if errors.As(err, &e) {
		return max(e.Mark.Line, 1), max(e.Mark.Column, 1), "not YAML: " + e.Message
	}
	return 1, 1, "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")
}

func (d *decoder) convert(n *yaml.Node, depth int) *value {
	v := &value{line: n.Line, col: n.Column, tag: n.ShortTag()}
	if depth > maxDepth {
		d.fail(v, "nested deeper than %d levels", maxDepth)
		return v
	}
	switch n.Kind {
	case yaml.MappingNode:
		v.kind = mapping
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := d.convert(n.Content[i], depth+1)
			if k.kind != scalar {
				d.fail(k, "a key must be a word, not %s", k.kind)
				continue
			}
			if first, ok := seen[k.text]; ok {
				d.fail(k, "duplicate key %q; it stands in line %d already", k.text, first)
				continue
			}
			seen[k.text] = k.line
			v.pairs = append(v.pairs, pair{k, d.convert(n.Content[i+1], depth+1)})
		}
	case yaml.SequenceNode:
		v.kind = sequence
		for _, c := range n.Content {
			v.items = append(v.items, d.convert(c, depth+1))
		}
	case yaml.ScalarNode:
		v.text = n.Value
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			v.quote = 1
		}
		v.block = n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	default:
		v.bad = true
		d.fail(v, "anchors and aliases (&name, *name) are not supported; write the value out")
	}
	return v
}

// has tells whether a mapping has a key, whatever its value.
func (v *value) has(key string) bool {
	return slices.ContainsFunc(v.pairs, func(p pair) bool { return p.key.text == key })
}

func (v *value) null() bool { return v.kind == scalar && v.tag == "!!null" }

func (v *value) describe() string {
	if v.kind == scalar {
		if v.null() {
			return "nothing"
		}
		return fmt.Sprintf("%q", v.text)
	}
	return v.kind.String()
}
