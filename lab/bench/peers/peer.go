package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// peer is a data path. start returns when both gateways carry packets, or soon will.
type peer struct {
	name  string
	about string
	needs []need
	start func(context.Context, *visit) error
}

// Names are the peers that there are, in the order of the tables; getvpn has a variant for each back end.
func Names() (out []string) {
	for _, p := range table {
		out = append(out, p.name)
	}
	return out
}

// Default are those that are measured when none is named.
func Default() []string {
	return []string{"plain", "plain-single", Own, "wireguard-go", "nebula", "openvpn", "libipsec"}
}

// Own is the peer that the ratios are about.
const Own = "getvpn"

var table = []peer{
	{name: "plain", about: "forwarding by the kernel, in clear; super-packets on the LANs (GSO, GRO)", start: plain},
	{name: "plain-single", about: "forwarding by the kernel, in clear, packet by packet", start: single},
	{name: Own, about: "this project: a key server and two members, AES-256-GCM, the back end that it chooses", start: getvpn("")},
	{name: Own + "-xdp", about: "the same with AF_XDP", start: getvpn("xdp")},
	{name: Own + "-packet", about: "the same with packet sockets", start: getvpn("packet")},
	{name: Own + "-raw", about: "the same with raw sockets", start: getvpn("raw")},
	{name: Own + "-water", about: "the same, packet by packet through the portable TUN", start: getvpn("water")},
	{
		name: "wireguard-go", about: "WireGuard in Go, ChaCha20-Poly1305 over UDP", start: wireguard,
		needs: []need{{program: "wireguard", module: "golang.zx2c4.com/wireguard@v0.0.0-20260522210424-ecfc5a8d5446"}},
	},
	{
		name: "nebula", about: "Nebula 1.10, AES-256-GCM over UDP", start: nebula,
		needs: []need{
			{program: "nebula", module: "github.com/slackhq/nebula/cmd/nebula@v1.10.3"},
			{program: "nebula-cert", module: "github.com/slackhq/nebula/cmd/nebula-cert@v1.10.3"},
		},
	},
	{
		name: "openvpn", about: "OpenVPN 2.6 in user space, AES-256-GCM over UDP", start: openvpn,
		needs: []need{{program: "openvpn", packages: []string{"openvpn"}}},
	},
	{
		name: "libipsec", about: "strongSwan 5.9 with kernel-libipsec: ESP in user space, AES-256-GCM in UDP", start: strongswan,
		needs: []need{{program: "charon-systemd", packages: strongswanPackages}, {program: "swanctl", packages: strongswanPackages}},
	},
}

func find(name string) (peer, error) {
	for _, p := range table {
		if p.name == name {
			return p, nil
		}
	}
	return peer{}, fmt.Errorf("bench-peers: no peer %q; there are: %s", name, strings.Join(Names(), ", "))
}

func plain(ctx context.Context, v *visit) error {
	return errors.Join(v.route(ctx, gateA, lanB, "via", wanB), v.route(ctx, gateB, lanA, "via", wanA))
}

// single is plain with nothing that makes one packet of several: the ceiling of a path that handles each by itself.
func single(ctx context.Context, v *visit) error {
	for _, at := range [][2]string{{hostA, "eth0"}, {hostB, "eth0"}, {gateA, "lan"}, {gateB, "lan"}, {gateA, "wan"}, {gateB, "wan"}} {
		if _, err := v.lab.Run(ctx, at[0], strings.Fields("ethtool -K "+at[1]+" tso off gso off gro off tx-udp-segmentation off")); err != nil {
			return err
		}
	}
	return plain(ctx, v)
}

// getvpn starts the daemons, with a back end unless it is empty.
func getvpn(backend string) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		if err := plain(ctx, v); err != nil { // the core routes the LANs themselves
			return err
		}
		if backend != "" {
			for _, g := range []string{gateA, gateB} {
				if err := v.lab.Configure(g, "", map[string]string{"data_path": ", data-path: " + backend}); err != nil {
					return err
				}
			}
		}
		for _, n := range []string{keyServer, gateA, gateB} {
			if err := v.lab.Start(ctx, n); err != nil {
				return err
			}
		}
		for _, g := range []string{gateA, gateB} {
			if err := v.await(ctx, "registration of "+g, func() bool { ok, _ := v.lab.Registered(ctx, g); return ok }); err != nil {
				return err
			}
		}
		return nil
	}
}

// await asks until the answer is yes.
func (v *visit) await(ctx context.Context, what string, ok func() bool) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("not within 30 s: %s", what)
}

// spawn starts a program of a peer in a node; it ends with the lab.
func (v *visit) spawn(node string, argv ...string) error {
	path, err := v.program(argv[0])
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(v.dir(), fmt.Sprintf("%s-%s.log", filepath.Base(argv[0]), node)))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(path, argv[1:]...) //nolint:gosec // from the table of peers
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt is ours to handle
	if err := v.lab.StartCommand(node, cmd); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	return nil
}

// dir is for files of this visit; it goes with the lab.
func (v *visit) dir() string { return filepath.Dir(v.lab.LogFile(gateA)) }

// write makes a file of this visit.
func (v *visit) write(name, text string) (string, error) {
	path := filepath.Join(v.dir(), name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
