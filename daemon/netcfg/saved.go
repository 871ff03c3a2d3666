package netcfg

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
)

// savedFile is what Config.Saved holds.
type savedFile struct {
	// World is where the values belong to: this boot and this network namespace. Others start with values of their own.
	World   string      `json:"world"`
	Sysctls [][2]string `json:"sysctls"` // path, value before the first change; in the order of the changes
}

// saveSysctl remembers what a sysctl was before the first change, on disk before it is changed.
func (n *Net) saveSysctl(s sysctl) error {
	if slices.ContainsFunc(n.saved, func(o sysctl) bool { return o.path == s.path }) {
		return nil
	}
	n.saved = append(n.saved, s)
	if n.cfg.Saved == "" {
		return nil
	}
	f := savedFile{World: world()}
	for _, s := range n.saved {
		f.Sysctls = append(f.Sysctls, [2]string{s.path, s.value})
	}
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(n.cfg.Saved, b, 0o600, renameio.WithTempDir(filepath.Dir(n.cfg.Saved))); err != nil {
		return fmt.Errorf("netcfg: keep the sysctls: %w", err)
	}
	return nil
}

// recallSysctls takes over what a predecessor that was killed has saved.
func (n *Net) recallSysctls() {
	if n.cfg.Saved == "" || len(n.saved) > 0 {
		return
	}
	b, err := os.ReadFile(n.cfg.Saved)
	var f savedFile
	if err != nil || json.Unmarshal(b, &f) != nil || f.World != world() {
		return
	}
	for _, s := range f.Sysctls {
		n.saved = append(n.saved, sysctl{s[0], s[1]})
	}
}

func (n *Net) forgetSysctls() error {
	if n.cfg.Saved == "" {
		return nil
	}
	if err := os.Remove(n.cfg.Saved); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("netcfg: %w", err)
	}
	return nil
}

func world() string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	namespace, _ := os.Readlink("/proc/self/ns/net")
	return string(boot) + namespace
}
