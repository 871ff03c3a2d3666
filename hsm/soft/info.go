package soft

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/getvpn/getvpn/hsm"
)

const backend = "soft"

// Info implements hsm.Informer.
func (s *Store) Info() hsm.Info {
	return hsm.Info{Backend: backend, URI: hsm.URI{Token: backend}.String(), Model: "files in " + s.dir, Ready: true, Notice: Notice,
		Queue: hsm.Queue{Calls: s.calls.Load()}}
}

// Inventory implements hsm.Informer.
func (s *Store) Inventory(ctx context.Context) ([]hsm.KeyInfo, error) {
	entries, err := os.ReadDir(s.dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("hsm/soft: %w", err)
	}
	var out []hsm.KeyInfo
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".pem")
		if !ok {
			continue
		}
		info := hsm.KeyInfo{Name: name, URI: hsm.URI{Token: backend, Object: name}.String()}
		k, err := s.get(ctx, name, 0)
		if err != nil {
			info.Problem = err.Error()
		} else {
			info.Spec = k.spec
			clear(k.aes)
		}
		out = append(out, info)
	}
	return out, nil
}
