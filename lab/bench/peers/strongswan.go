package peers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

var strongswanPackages = []string{
	"strongswan-swanctl", "charon-systemd", "libcharon-extra-plugins", "libstrongswan-extra-plugins", "libstrongswan-standard-plugins",
}

// strongswan runs two charons. Each has a /run of its own, where it would look for the other's files; so theirs are not
// in the lab's directory, which is there.
func strongswan(ctx context.Context, v *visit) error {
	s := sides("ipsec0", "ipsec0")
	top, err := os.MkdirTemp("", "getvpn-bench-")
	if err != nil {
		return err
	}
	v.cleanup = append(v.cleanup, func() { _ = os.RemoveAll(top) })
	dir := func(e side) string { return filepath.Join(top, e.node) }
	err = both(s, func(me, other side) error {
		d := dir(me)
		for _, sub := range []string{"run", "swanctl"} {
			if err := os.MkdirAll(filepath.Join(d, sub), 0o700); err != nil {
				return err
			}
		}
		vici := "unix://" + filepath.Join(d, "run", "charon.vici")
		conf := filepath.Join(d, "strongswan.conf")
		if err := os.WriteFile(conf, fmt.Appendf(nil, `
charon-systemd {
  load_modular = yes
  install_routes = yes
  plugins {
    include /etc/strongswan.d/charon/*.conf
    kernel-libipsec { load = yes }
    vici { socket = %s }
    bypass-lan { load = no }
    dhcp { load = no }
    farp { load = no }
  }
  filelog { stderr { default = 0 } }
  journal { default = -1 }
}
swanctl { socket = %s }
`, vici, vici), 0o600); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(d, "swanctl", "swanctl.conf"), fmt.Appendf(nil, `
connections { gw {
  version = 2
  local_addrs = %[1]s
  remote_addrs = %[2]s
  encap = yes
  proposals = aes256gcm16-prfsha256-x25519
  local {
    auth = psk
    id = %[1]s
  }
  remote {
    auth = psk
    id = %[2]s
  }
  children { net {
    local_ts = %[3]s
    remote_ts = %[4]s
    esp_proposals = aes256gcm16
    start_action = none
  } }
} }
secrets { ike-1 { secret = bench } }
`, me.wan, other.wan, me.lan, other.lan), 0o600); err != nil {
			return err
		}
		charon, err := v.program("charon-systemd")
		if err != nil {
			return err
		}
		if err := v.spawn(me.node, "unshare", "-m", "sh", "-c",
			fmt.Sprintf("mount --bind %s/run /run && STRONGSWAN_CONF=%s exec %s", d, conf, charon)); err != nil {
			return err
		}
		if err := v.await(ctx, "charon's socket", func() bool { return exists(filepath.Join(d, "run", "charon.vici")) }); err != nil {
			return err
		}
		err = v.swanctl(ctx, me, d, "--load-all")
		return err
	})
	if err != nil {
		return err
	}
	return v.swanctl(ctx, s[0], dir(s[0]), "--initiate", "--child", "net", "--timeout", "10")
}

func (v *visit) swanctl(ctx context.Context, e side, dir string, args ...string) error {
	swanctl, err := v.program("swanctl")
	if err != nil {
		return err
	}
	argv := append([]string{"env", "STRONGSWAN_CONF=" + filepath.Join(dir, "strongswan.conf"), "SWANCTL_DIR=" + filepath.Join(dir, "swanctl"), swanctl}, args...)
	_, err = v.lab.Run(ctx, e.node, append(argv, "--uri", "unix://"+filepath.Join(dir, "run", "charon.vici")))
	return err
}
