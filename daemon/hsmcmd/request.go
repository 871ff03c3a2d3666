package hsmcmd

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/process"
	"github.com/getvpn/getvpn/hsm"
)

// request is one run of "hsm request".
type request struct {
	daemon   string
	out, say io.Writer

	file, key, kind string
	name, org, unit string
}

var kinds = map[string]hsm.Kind{"ecdsa-256": hsm.P256, "ecdsa-384": hsm.P384, "rsa-2048": hsm.RSA2048, "rsa-3072": hsm.RSA3072, "rsa-4096": hsm.RSAOf(4096)}

const defaultKind = "ecdsa-256"

func (s Spec) request() *cobra.Command {
	r := &request{daemon: s.Daemon}
	cmd := &cobra.Command{
		Use: "request --config FILE", Short: "Make the key of a certificate in the token, and print a request for the certificate", Args: cobra.NoArgs,
		Long: `Makes the key that certificates.own names by key, unless it is in the token, and prints a certificate request (PKCS#10, PEM)
that it signs, for the identity of the configuration. The certificate itself need not be there yet. Write what the authority
issues to the file that certificates.own names; the daemon checks that it is for this key.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.LoadRequest(r.file, s.Server)
			if err != nil {
				return err
			}
			r.out, r.say = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return process.Fault(r.run(cmd.Context(), c))
		},
	}
	f := cmd.Flags()
	f.StringVarP(&r.file, "config", "c", "", "configuration `file`")
	f.StringVar(&r.key, "key", "", "`label` or URI of the key, where certificates.own names none or several")
	f.StringVar(&r.kind, "kind", "", "of a new key: ecdsa-256, ecdsa-384, rsa-2048, rsa-3072 or rsa-4096 (default "+defaultKind+")")
	f.StringVar(&r.name, "cn", "", "common name of the subject (default: the name of the configuration)")
	f.StringVar(&r.org, "o", "", "organisation of the subject")
	f.StringVar(&r.unit, "ou", "", "organisational unit of the subject")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

func (r *request) run(ctx context.Context, c *config.Request) error {
	key, err := r.which(c)
	if err != nil {
		return err
	}
	t := &Target{Common: &config.Common{Custody: c.Custody, State: c.State}}
	h, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := r.ensure(ctx, h, key); err != nil {
		return err
	}
	der, err := custody.Request(ctx, h, key, r.template(c))
	if err != nil {
		return err
	}
	return pem.Encode(r.out, &pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// which is the name of the key.
func (r *request) which(c *config.Request) (string, error) {
	switch {
	case c.Custody == nil:
		return "", errors.New("the configuration has no custody section: keys are files; add custody: {module, token, pin} to keep them in a token")
	case r.key != "":
		return r.key, nil
	case len(c.Keys) == 0:
		return "", errors.New("certificates.own names no key in the token (key: pkcs11:object=LABEL): write one, or give its label with --key")
	case len(c.Keys) > 1:
		return "", fmt.Errorf("certificates.own names %d keys in the token: give the label of one with --key", len(c.Keys))
	}
	return c.Keys[0].String(), nil
}

// ensure makes the key unless it is there.
func (r *request) ensure(ctx context.Context, h hsm.Token, key string) error {
	_, err := h.Public(ctx, key)
	if err != nil && !errors.Is(err, hsm.ErrNoKey) {
		return err
	}
	made, kind := err != nil, r.kind
	if kind == "" {
		if kind = defaultKind; !made {
			return nil // whatever it is
		}
	}
	k, ok := kinds[kind]
	if !ok {
		return fmt.Errorf("kind %q is unknown; use ecdsa-256, ecdsa-384, rsa-2048, rsa-3072 or rsa-4096", kind)
	}
	if err := h.Ensure(ctx, key, hsm.Spec{Kind: k, Use: hsm.Sign}); err != nil {
		return fmt.Errorf("key %s: %w", key, err)
	}
	if made {
		fmt.Fprintf(r.say, "key %s was made: %s\n", key, k)
	}
	return nil
}

// template asks for the identity that peers will check (RFC 4945 §5.1.3.2): as alternative name, unless it is the subject.
func (r *request) template(c *config.Request) *x509.CertificateRequest {
	t := &x509.CertificateRequest{Subject: pkix.Name{CommonName: r.name}}
	if r.name == "" {
		t.Subject.CommonName = c.Name
	}
	for into, text := range map[*[]string]string{&t.Subject.Organization: r.org, &t.Subject.OrganizationalUnit: r.unit} {
		if text != "" {
			*into = []string{text}
		}
	}
	i := c.Identity
	if i.FQDN != "" {
		t.DNSNames = []string{i.FQDN}
	}
	if i.Email != "" {
		t.EmailAddresses = []string{i.Email}
	}
	if i.Address.IsValid() {
		t.IPAddresses = []net.IP{i.Address.AsSlice()}
	}
	if i.Other.IsValid() {
		t.IPAddresses = append(t.IPAddresses, i.Other.AsSlice())
	}
	return t
}

// loadEarly is Load, and of a configuration that lacks nothing but the certificates of keys in the token it takes what there is.
func (s Spec) loadEarly(file string) (*Target, error) {
	t, err := s.Load(file)
	if err == nil {
		return t, nil
	}
	r, early := config.LoadRequest(file, s.Server)
	if early != nil || r.Custody == nil || len(r.Keys) == 0 || !strings.Contains(err.Error(), "no such file") {
		return nil, err
	}
	return &Target{Common: &config.Common{File: file, Name: r.Name, State: r.State, Custody: r.Custody}, early: err}, nil
}
