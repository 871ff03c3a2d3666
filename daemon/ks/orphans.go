package ks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
)

// kekPrefix begins the names of KEKs in a custody.
const kekPrefix = "kek-"

// orphans lists the KEKs of a custody that are not in use: a crash came between the key and its record. A token belongs to
// one key server, so they are nobody's. used is asked after the custody, so that a KEK that is being made is not among them.
func orphans(ctx context.Context, h hsm.Informer, used func(context.Context) ([]string, error)) ([]string, error) {
	keys, err := h.Inventory(ctx)
	if err != nil {
		return nil, err
	}
	names, err := used(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, k := range keys {
		// An operator may have named a signature key so.
		if strings.HasPrefix(k.Name, kekPrefix) && k.Spec.Use == hsm.Encrypt && !slices.Contains(names, k.Name) {
			out = append(out, k.Name)
		}
	}
	return out, nil
}

// buryTime is what bury may take: members wait.
const buryTime = 10 * time.Second

// bury removes KEKs that a crash has left in the custody. It comes before the first message of another key server: one that
// brings such a KEK once more would find it there, and lose it.
func (d *Daemon) bury(ctx context.Context) {
	if d.cfg.Custody == nil {
		return // KEKs were never there
	}
	ctx, cancel := context.WithTimeout(ctx, buryTime)
	defer cancel()
	found, err := orphans(ctx, d.keys, func(ctx context.Context) (used []string, err error) {
		err = d.loop.Do(ctx, func(machine.Now) { used = d.node.KEKNames() })
		return used, err
	})
	for _, name := range found {
		if err = d.keys.Destroy(ctx, name); err != nil && !errors.Is(err, hsm.ErrNoKey) {
			break
		}
		err = nil
		d.log.Info("a KEK that no record names was removed from the custody: a crash had left it there", "key", name)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		d.log.Warn("KEKs that a crash may have left in the custody stay there until the next start", "error", err)
	}
}
