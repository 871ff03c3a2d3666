package hsm

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrURI is what a URI that is refused wraps.
var ErrURI = errors.New("hsm: not a usable PKCS#11 URI")

// URI names a token or an object in it (RFC 7512). Attributes of slots are refused, since slots are numbered anew when
// devices move, and so is pin-value, since URIs appear in logs. A missing attribute matches anything, an empty one is
// the same as a missing one.
type URI struct {
	// Of the token.
	Token, Manufacturer, Serial, Model string
	// Of the object. Type is one of cert, data, private, public, secret-key.
	Object, Type string
	ID           []byte
	// Of the query.
	ModulePath, PINSource string
}

const uriScheme = "pkcs11:"

// RFC 7512 §2.3: what needs no percent-encoding, besides letters and digits.
const (
	uriUnreserved = "-._~" + ":[]@!$'()*+,="
	uriPathOnly   = "&"
	uriQueryOnly  = "/?|"
)

const maxURI = 4096

// field is where an attribute goes; id is not among them.
func (u *URI) field(query bool, attr string) *string {
	if query {
		switch attr {
		case "module-path":
			return &u.ModulePath
		case "pin-source":
			return &u.PINSource
		}
		return nil
	}
	switch attr {
	case "token":
		return &u.Token
	case "manufacturer":
		return &u.Manufacturer
	case "serial":
		return &u.Serial
	case "model":
		return &u.Model
	case "object":
		return &u.Object
	case "type":
		return &u.Type
	}
	return nil
}

// The only order of attributes that String uses; id comes before type.
var (
	uriPath  = []string{"token", "manufacturer", "serial", "model", "object", "type"}
	uriQuery = []string{"module-path", "pin-source"}
)

func isURI(s string) bool {
	return len(s) >= len(uriScheme) && strings.EqualFold(s[:len(uriScheme)], uriScheme)
}

// isText: labels are UTF-8, and those with NUL would be cut by some modules.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// ParseURI parses a URI. What it accepts has one canonical form, String, and parses to the same again.
func ParseURI(s string) (URI, error) {
	var u URI
	bad := func(format string, args ...any) (URI, error) {
		return URI{}, fmt.Errorf("%w: %s", ErrURI, fmt.Sprintf(format, args...))
	}
	if len(s) > maxURI {
		return bad("longer than %d octets", maxURI)
	}
	if !isURI(s) {
		return bad("it does not begin with %s", uriScheme)
	}
	path, query, asked := strings.Cut(s[len(uriScheme):], "?")
	parts := []string(nil)
	if path != "" {
		parts = strings.Split(path, ";")
	}
	pathParts := len(parts)
	if asked {
		parts = append(parts, strings.Split(query, "&")...)
	}
	seen := map[string]bool{}
	for i, part := range parts {
		inQuery := i >= pathParts
		attr, text, ok := strings.Cut(part, "=")
		if !ok {
			return bad("attribute %q has no value", clip(attr))
		}
		if seen[attr] {
			return bad("attribute %s twice", clip(attr))
		}
		seen[attr] = true
		value, err := unescape(text, inQuery)
		if err != nil {
			return bad("attribute %s: %v", clip(attr), err)
		}
		if attr == "id" && !inQuery {
			u.ID = value
			continue
		}
		f := u.field(inQuery, attr)
		switch {
		case f == nil && attr == "pin-value":
			return bad("a PIN does not belong into a URI, which appears in logs: use pin-source, or the configuration")
		case f == nil && strings.HasPrefix(attr, "slot-"):
			return bad("%s: slots are numbered anew when devices move; name the token by label or serial", attr)
		case f == nil:
			return bad("attribute %q is unknown here", clip(attr))
		case !isText(string(value)):
			return bad("attribute %s is not text", attr)
		}
		*f = string(value)
	}
	switch u.Type {
	case "", "cert", "data", "private", "public", "secret-key":
	default:
		return bad("type %q is unknown", clip(u.Type))
	}
	if len(u.ID) == 0 {
		u.ID = nil
	}
	if len(u.String()) > maxURI { // an id takes three octets for one
		return bad("longer than %d octets when it is written in full", maxURI)
	}
	return u, nil
}

// ParseKey reads the name of a key: a URI, or the label of the object alone.
func ParseKey(key string) (URI, error) {
	if isURI(key) {
		u, err := ParseURI(key)
		if err == nil && u.Object == "" {
			err = fmt.Errorf("%w: %s names no object", ErrURI, u)
		}
		return u, err
	}
	if key == "" || !isText(key) {
		return URI{}, fmt.Errorf("%w: %q cannot be the name of a key", ErrURI, clip(key))
	}
	return URI{Object: key}, nil
}

// String is the canonical form: attributes in the order of this package, only what must be is encoded, the id is
// encoded as a whole (RFC 7512 §2.3).
func (u URI) String() string {
	var b strings.Builder
	b.WriteString(uriScheme)
	sep := ""
	put := func(attr, value string, query bool, next string) {
		if value == "" {
			return
		}
		b.WriteString(sep + attr + "=")
		escape(&b, value, query)
		sep = next
	}
	for _, attr := range uriPath {
		if attr == "type" && len(u.ID) > 0 {
			b.WriteString(sep + "id=")
			for _, c := range u.ID {
				fmt.Fprintf(&b, "%%%02X", c)
			}
			sep = ";"
		}
		put(attr, *u.field(false, attr), false, ";")
	}
	sep = "?"
	for _, attr := range uriQuery {
		put(attr, *u.field(true, attr), true, "&")
	}
	return b.String()
}

// TokenURI is the part that names the token.
func (u URI) TokenURI() URI {
	return URI{Token: u.Token, Manufacturer: u.Manufacturer, Serial: u.Serial, Model: u.Model}
}

// Matches tells whether everything that u asks of a token is so.
func (u URI) Matches(token URI) bool {
	for _, attr := range uriPath[:4] {
		if want := *u.field(false, attr); want != "" && want != *token.field(false, attr) {
			return false
		}
	}
	return true
}

func plainChar(c byte, query bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	case query:
		return strings.IndexByte(uriUnreserved+uriQueryOnly, c) >= 0
	}
	return strings.IndexByte(uriUnreserved+uriPathOnly, c) >= 0
}

func escape(b *strings.Builder, s string, query bool) {
	for i := range len(s) {
		if plainChar(s[i], query) {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(b, "%%%02X", s[i])
		}
	}
}

func unescape(s string, query bool) ([]byte, error) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			b, err := hex.DecodeString(s[i+1 : min(i+3, len(s))])
			if err != nil || len(b) == 0 {
				return nil, errors.New("a % that two hexadecimal digits do not follow")
			}
			out = append(out, b...)
			i += 2
		case plainChar(c, query):
			out = append(out, c)
		default:
			return nil, fmt.Errorf("%q must be percent-encoded", c)
		}
	}
	return out, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
