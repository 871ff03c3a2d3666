package peers

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// side is one gateway as a tunnel sees it.
type side struct {
	node, tun, wan, lan string
	inner               string // address in the tunnel, where it needs one
}

func sides(tunA, tunB string) [2]side {
	return [2]side{{gateA, tunA, wanA, lanA, "10.78.0.1"}, {gateB, tunB, wanB, lanB, "10.78.0.2"}}
}

// both runs f for each side and the other one.
func both(s [2]side, f func(me, other side) error) error {
	return errors.Join(f(s[0], s[1]), f(s[1], s[0]))
}

// wireguard speaks the configuration protocol of wireguard-go itself. Its sockets are named after the interfaces, in one
// directory for all namespaces.
func wireguard(ctx context.Context, v *visit) error {
	s := sides("gvbwga", "gvbwgb")
	keys := map[string]*ecdh.PrivateKey{}
	for _, e := range s {
		k, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		keys[e.node] = k
	}
	if err := os.MkdirAll("/var/run/wireguard", 0o755); err != nil { //nolint:gosec // as the program itself does
		return err
	}
	return both(s, func(me, other side) error {
		sock := filepath.Join("/var/run/wireguard", me.tun+".sock")
		v.cleanup = append(v.cleanup, func() { _ = os.Remove(sock) })
		if err := v.spawn(me.node, "wireguard", "-f", me.tun); err != nil {
			return err
		}
		var c net.Conn
		err := v.await(ctx, "the socket of wireguard-go", func() (ok bool) {
			var err error
			c, err = net.Dial("unix", sock)
			return err == nil
		})
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Fprintf(c, "set=1\nprivate_key=%x\nlisten_port=51820\nreplace_peers=true\npublic_key=%x\nendpoint=%s:51820\nallowed_ip=%s\n\n",
			keys[me.node].Bytes(), keys[other.node].PublicKey().Bytes(), other.wan, other.lan)
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "errno=0\n" {
			return fmt.Errorf("wireguard-go: %q %w", line, err)
		}
		if _, err := v.lab.Run(ctx, me.node, []string{"ip", "link", "set", me.tun, "mtu", "1420", "up"}); err != nil {
			return err
		}
		return v.route(ctx, me.node, other.lan, "dev", me.tun)
	})
}

func nebula(ctx context.Context, v *visit) error {
	s := sides("nebula0", "nebula0")
	cert, err := v.program("nebula-cert")
	if err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(v.dir(), name) }
	run := func(args ...string) error {
		_, err := v.lab.Run(ctx, gateA, append([]string{cert}, args...))
		return err
	}
	if err := run("ca", "-version", "1", "-name", "bench", "-out-crt", at("ca.crt"), "-out-key", at("ca.key")); err != nil {
		return err
	}
	return both(s, func(me, other side) error {
		err := run("sign", "-version", "1", "-ca-crt", at("ca.crt"), "-ca-key", at("ca.key"), "-name", me.node, "-ip", me.inner+"/24",
			"-subnets", me.lan, "-out-crt", at(me.node+".crt"), "-out-key", at(me.node+".key"))
		if err != nil {
			return err
		}
		conf, err := v.write("nebula-"+me.node+".yaml", fmt.Sprintf(`
pki: {ca: %s, cert: %s, key: %s}
static_host_map: {"%s": ["%s:4242"]}
lighthouse: {am_lighthouse: false, hosts: []}
listen: {host: 0.0.0.0, port: 4242, batch: 64, read_buffer: 10485760, write_buffer: 10485760}
cipher: aes
tun: {dev: %s, mtu: 1420, tx_queue: 1000, unsafe_routes: [{route: %s, via: %s, mtu: 1420}]}
logging: {level: warning}
firewall:
  default_local_cidr_any: true
  outbound: [{port: any, proto: any, host: any, local_cidr: 0.0.0.0/0}]
  inbound: [{port: any, proto: any, host: any, local_cidr: 0.0.0.0/0}]
`, at("ca.crt"), at(me.node+".crt"), at(me.node+".key"), other.inner, other.wan, me.tun, other.lan, other.inner))
		if err != nil {
			return err
		}
		return v.spawn(me.node, "nebula", "-config", conf)
	})
}

func openvpn(_ context.Context, v *visit) error {
	s := sides("gvb0", "gvb0")
	prints := map[string]string{}
	for _, e := range s {
		var err error
		if prints[e.node], err = v.selfSigned(e.node); err != nil {
			return err
		}
	}
	const common = "--dev-type tun --proto udp --port 1194 --data-ciphers AES-256-GCM --cipher AES-256-GCM --disable-dco --verb 1 " +
		"--tun-mtu 1420 --mssfix 0 --sndbuf 4194304 --rcvbuf 4194304 --txqueuelen 1000"
	return both(s, func(me, other side) error {
		lan, _, _ := strings.Cut(other.lan, "/")
		args := append([]string{"openvpn", "--dev", me.tun}, strings.Fields(common)...)
		args = append(args, "--cert", filepath.Join(v.dir(), me.node+".crt"), "--key", filepath.Join(v.dir(), me.node+".key"),
			"--peer-fingerprint", prints[other.node], "--ifconfig", me.inner, other.inner, "--route", lan, "255.255.255.0")
		if me.node == gateA {
			args = append(args, "--tls-client", "--remote", other.wan)
		} else {
			args = append(args, "--tls-server", "--dh", "none")
		}
		return v.spawn(me.node, args...)
	})
}

// selfSigned makes a certificate for a node and returns its fingerprint as OpenVPN writes it.
func (v *visit) selfSigned(node string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: node}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return "", err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	_, cerr := v.write(node+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	_, kerr := v.write(node+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	return fingerprint(der), errors.Join(cerr, kerr)
}

// fingerprint is AA:BB:..., of SHA-256.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	var out []string
	for _, b := range sum {
		out = append(out, strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	return strings.Join(out, ":")
}
