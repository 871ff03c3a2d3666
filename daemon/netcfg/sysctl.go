package netcfg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sysctl is a kernel parameter and the value to put back.
type sysctl struct{ path, value string }

const sysNet = "/proc/sys/net/ipv4"

// setSysctls switches forwarding on and strict reverse path filters to loose; the package comment says why.
func (n *Net) setSysctls() error {
	forward := filepath.Join(sysNet, "ip_forward")
	if v, err := readSysctl(forward); err != nil {
		return err
	} else if v == "0" && len(n.cfg.LAN) > 0 {
		if err := n.setSysctl(forward, v, "1"); err != nil {
			return err
		}
	}
	all, err := readSysctl(filepath.Join(sysNet, "conf/all/rp_filter"))
	if err != nil {
		return err
	}
	for _, name := range []string{n.cfg.WAN, n.cfg.TUN} {
		path := filepath.Join(sysNet, "conf", name, "rp_filter")
		own, err := readSysctl(path)
		if err != nil {
			return err
		}
		// The larger of the two counts: 0 off, 1 strict, 2 loose.
		if max(all, own) == "1" {
			if err := n.setSysctl(path, own, "2"); err != nil {
				return err
			}
		}
	}
	if n.v6 {
		return n.setSysctls6()
	}
	return nil
}

func (n *Net) setSysctl(path, old, value string) error {
	if err := n.saveSysctl(sysctl{path, old}); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("netcfg: set %s to %s (read-only container?): %w", path, value, err)
	}
	n.repaired("%s was %s; it is %s", path, old, value)
	return nil
}

func (n *Net) restoreSysctls() error {
	n.recallSysctls()
	var err error
	for _, s := range slices.Backward(n.saved) {
		if werr := os.WriteFile(s.path, []byte(s.value), 0); werr != nil && !errors.Is(werr, os.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("netcfg: restore %s: %w", s.path, werr))
		}
	}
	n.saved = nil
	return errors.Join(err, n.forgetSysctls())
}

func readSysctl(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("netcfg: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
