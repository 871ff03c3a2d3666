package lkh

import (
	"errors"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Errors of a Path.
var (
	// ErrPath: the download array is not a path of this suite.
	ErrPath = errors.New("lkh: not a path")
	// ErrNotForUs: the update arrays bring no new KEK to this path; perhaps it is excluded, or has missed an update.
	ErrNotForUs = errors.New("lkh: no key of this member opens the update")
	// ErrUpdate: an array that is for us has keys of the wrong form.
	ErrUpdate = errors.New("lkh: unusable update array")
)

// Path is the member's side: the keys from its leaf to below the root.
type Path struct {
	suite suite.KEK
	nodes []pathNode
	root  uint16
}

type pathNode struct {
	id     uint16
	handle uint32
	key    *machine.Secret // IV | key
	fresh  bool            // by the update that is being applied
}

// NewPath reads a download array, of which it keeps copies. The last key must be the KEK of the same message.
func NewPath(d *isakmp.LKHDownload, s suite.KEK, iv, key *machine.Secret) (*Path, error) {
	n := len(d.Keys) - 1
	if n < 1 {
		return nil, fmt.Errorf("%w: %d keys", ErrPath, n+1)
	}
	p := &Path{suite: s, root: d.Keys[n].ID}
	seen := map[uint16]bool{}
	for _, k := range d.Keys {
		if err := checkKey(s, k); err != nil {
			p.Destroy()
			return nil, fmt.Errorf("%w: %w", ErrPath, err)
		}
		if seen[k.ID] {
			p.Destroy()
			return nil, fmt.Errorf("%w: two keys of node %04x", ErrPath, k.ID)
		}
		seen[k.ID] = true
		p.nodes = append(p.nodes, pathNode{id: k.ID, handle: k.Handle, key: machine.NewSecret(k.Data)})
	}
	kek := p.nodes[n].key
	defer kek.Destroy()
	p.nodes = p.nodes[:n:n]
	if w := joined(iv, key); !kek.Equal(w) {
		w.Destroy()
		p.Destroy()
		return nil, fmt.Errorf("%w: it does not end in the KEK", ErrPath)
	} else {
		w.Destroy()
	}
	return p, nil
}

func joined(iv, key *machine.Secret) *machine.Secret {
	b := append(make([]byte, 0, iv.Len()+key.Len()), iv.Bytes()...)
	return machine.TakeSecret(append(b, key.Bytes()...))
}

func checkKey(s suite.KEK, k isakmp.LKHKey) error {
	if uint16(k.KeyType) != s.Algorithm() || len(k.Data) != s.IVLen()+s.KeyLen() {
		return fmt.Errorf("node %04x: key type %d with %d octets; %v has type %d and %d", k.ID, k.KeyType, len(k.Data), s, s.Algorithm(), s.IVLen()+s.KeyLen())
	}
	return nil
}

// Len is the number of keys.
func (p *Path) Len() int { return len(p.nodes) }

// Apply takes the update arrays of one message and returns the new KEK. What is not for this path it ignores; where the
// KEK is not reached, the path stays as it was, and the member must register again.
func (p *Path) Apply(arrays []isakmp.LKHUpdate) (iv, key *machine.Secret, err error) {
	nodes := append([]pathNode(nil), p.nodes...)
	kek, err := p.climb(nodes, arrays)
	if err != nil {
		for _, n := range nodes {
			if n.fresh {
				n.key.Destroy()
			}
		}
		return nil, nil, err
	}
	for i := range nodes {
		if nodes[i].fresh {
			p.nodes[i].key.Destroy()
			nodes[i].fresh = false
		}
	}
	p.nodes = nodes
	defer kek.Destroy()
	n := p.suite.IVLen()
	return machine.NewSecret(kek.Bytes()[:n]), machine.NewSecret(kek.Bytes()[n:]), nil
}

// climb applies, again and again, each entry whose predecessor is known, until the KEK is. Every key changes at most once,
// which bounds it.
func (p *Path) climb(nodes []pathNode, arrays []isakmp.LKHUpdate) (*machine.Secret, error) {
	for progress := true; progress; {
		progress = false
		for _, u := range arrays {
			id, handle := u.ID, u.Handle
			for _, k := range u.Keys {
				at := find(nodes, id, handle)
				id, handle = k.ID, k.Handle
				if at < 0 {
					continue
				}
				to := p.above(nodes, at, k.ID)
				if to < 0 {
					return nil, fmt.Errorf("%w: node %04x is not above %04x", ErrUpdate, k.ID, nodes[at].id)
				}
				if to < len(nodes) && (nodes[to].fresh || nodes[to].handle == k.Handle) {
					continue
				}
				plain, err := p.open(&nodes[at], k)
				if err != nil {
					return nil, err
				}
				if to == len(nodes) {
					return plain, nil
				}
				nodes[to] = pathNode{k.ID, k.Handle, plain, true}
				progress = true
			}
		}
	}
	return nil, ErrNotForUs
}

func find(nodes []pathNode, id uint16, handle uint32) int {
	for i := range nodes {
		if nodes[i].id == id && nodes[i].handle == handle {
			return i
		}
	}
	return -1
}

// above finds a node of the path over the one at index from; the root is at index len(nodes).
func (p *Path) above(nodes []pathNode, from int, id uint16) int {
	for i := from + 1; i < len(nodes); i++ {
		if nodes[i].id == id {
			return i
		}
	}
	if id == p.root {
		return len(nodes)
	}
	return -1
}

func (p *Path) open(under *pathNode, k isakmp.LKHKey) (*machine.Secret, error) {
	if err := checkKey(p.suite, k); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUpdate, err)
	}
	n := p.suite.IVLen()
	plain, err := suite.DecryptCBC(under.key.Bytes()[n:], under.key.Bytes()[:n], k.Data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUpdate, err)
	}
	return machine.TakeSecret(plain), nil
}

// Destroy wipes the keys.
func (p *Path) Destroy() {
	if p == nil {
		return
	}
	for _, n := range p.nodes {
		n.key.Destroy()
	}
	p.nodes = nil
}
