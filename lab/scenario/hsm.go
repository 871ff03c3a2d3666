package scenario

import (
	"regexp"

	"github.com/getvpn/getvpn/hsm"
)

// HSM is the token of a node: SoftHSM with a directory of its own, made fresh in each run. The daemon's configuration knows
// ${hsm.module}, ${hsm.token} (a PKCS#11 URI) and ${hsm.pin} (a file of mode 0600).
type HSM struct {
	Token string `yaml:"token"` // its label; default: the name of the node
	// Keys are certificates of pki: whose keys move into the token, under the name of the certificate, and are in no file.
	Keys []string `yaml:"keys"`
}

// tokenLabel is narrower than PKCS#11, which has 32 octets of UTF-8.
var tokenLabel = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9 ._-]{0,31}$`)

func (s *Scenario) validateHSM(bad func(at Pos, format string, args ...any)) {
	in := map[string]string{}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.HSM == nil {
			continue
		}
		if n.HSM.Token == "" {
			n.HSM.Token = n.Name
		}
		if n.Program == "" {
			bad(n.At, "node %s: hsm: a token is of no use without a program:", n.Name)
		}
		if !tokenLabel.MatchString(n.HSM.Token) {
			bad(n.At, "node %s: hsm: token %q; a label is up to 32 letters, digits, spaces, dots and hyphens", n.Name, n.HSM.Token)
		}
		for _, c := range n.HSM.Keys {
			if err := s.HasCertificate(c); err != nil {
				bad(n.At, "node %s: hsm: keys: %v", n.Name, err)
			}
			if in[c] != "" {
				bad(n.At, "node %s: hsm: keys: that of %s moves to %s", n.Name, c, in[c])
			}
			in[c] = n.Name
		}
	}
}

// HasHSM says whether a node has a token.
func (s *Scenario) HasHSM(node string) bool {
	n := s.Node(node)
	return n != nil && n.HSM != nil
}

// uri names the token.
func (h *HSM) uri() string { return hsm.URI{Token: h.Token}.String() }
