package config

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// maxPEM limits files of certificates, keys and lists; a revocation list of a large authority has megabytes.
const maxPEM = 64 << 20

func readFile(path string) ([]byte, os.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%s is not a file", path)
	case info.Size() > maxPEM:
		return nil, nil, fmt.Errorf("%s has %d octets; that is no file of ours", path, info.Size())
	}
	b, err := os.ReadFile(path)
	return b, info, err
}

// blocks are the PEM blocks of a type; a file without any PEM is DER itself.
func blocks(b []byte, kinds ...string) (out [][]byte, isPEM bool) {
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return out, isPEM
		}
		isPEM, b = true, rest
		for _, k := range kinds {
			if block.Type == k {
				out = append(out, block.Bytes)
			}
		}
	}
}

// loadCertificates reads PEM, one or more, or DER, one.
func loadCertificates(path string) ([]*x509.Certificate, error) {
	b, _, err := readFile(path)
	if err != nil {
		return nil, err
	}
	ders, isPEM := blocks(b, "CERTIFICATE")
	if !isPEM {
		ders = [][]byte{b}
	}
	var out []*x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%s: not a certificate: %w", path, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return out, nil
}

// loadCRLs reads PEM, one or more, or DER, one.
func loadCRLs(path string) ([]*x509.RevocationList, error) {
	b, _, err := readFile(path)
	if err != nil {
		return nil, err
	}
	ders, isPEM := blocks(b, "X509 CRL")
	if !isPEM {
		ders = [][]byte{b}
	}
	var out []*x509.RevocationList
	for _, der := range ders {
		l, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("%s: not a revocation list: %w", path, err)
		}
		out = append(out, l)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no revocation list", path)
	}
	return out, nil
}

// loadKey reads a private key of RSA (PKCS#1 or PKCS#8) or an elliptic curve (SEC 1 or PKCS#8). What is open to others
// is refused; problem says what is only doubtful.
func loadKey(path string) (key crypto.Signer, problem string, err error) {
	b, info, err := readFile(path)
	if err != nil {
		return nil, "", err
	}
	defer clear(b)
	switch mode := info.Mode().Perm(); {
	case mode&modeOthers != 0:
		return nil, "", fmt.Errorf("%s is open to everybody (mode %04o): chmod 600 it, and replace the key if others have had access", path, mode)
	case mode&modeGroupBits != 0:
		problem = fmt.Sprintf("%s is open to its group (mode %04o): chmod 600 it", path, mode)
	}
	if bytes.Contains(b, []byte("ENCRYPTED")) {
		return nil, "", fmt.Errorf("%s is encrypted, and nobody is there to be asked for the password: decrypt it into a file of mode 0600", path)
	}
	ders, isPEM := blocks(b, "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
	if !isPEM {
		ders = [][]byte{b}
	}
	if len(ders) != 1 {
		return nil, "", fmt.Errorf("%s holds %d private keys instead of one", path, len(ders))
	}
	defer clear(ders[0])
	key, err = parseKey(ders[0])
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return key, problem, nil
}

func parseKey(der []byte) (crypto.Signer, error) {
	if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if s, ok := k.(crypto.Signer); ok {
			return s, nil
		}
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k, nil
	}
	return nil, errors.New("not an RSA or EC private key in the form of PKCS#1, PKCS#8 or SEC 1")
}
