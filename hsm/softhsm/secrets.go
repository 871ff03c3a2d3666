package softhsm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/getvpn/getvpn/hsm/remains"
)

// Attributes of PKCS#11, and two of SoftHSM's own.
const (
	attrPrivate    = 0x002
	attrLabel      = 0x003
	attrTokenLabel = 0x80005349
	attrUserPIN    = 0x8000534d
)

// secretParts are the attributes that nobody may see: the value of AES and EC keys, the parts of RSA keys.
var secretParts = map[uint64]string{0x11: "value", 0x123: "d", 0x124: "p", 0x125: "q", 0x126: "d mod p-1", 0x127: "d mod q-1", 0x128: "1/q mod p"}

// Secrets reads everything that is secret in a token from its files, as whoever has the files and the PIN can: "PIN",
// "master key" (of the files), and the parts of keys, as "LABEL value" or "LABEL p". Tests know by it what must not be found
// elsewhere.
func (d Dir) Secrets(token, pin string) ([]remains.Secret, error) {
	files, err := filepath.Glob(filepath.Join(d.tokens(), "*", tokenFile))
	if err != nil {
		return nil, fmt.Errorf("softhsm: %w", err)
	}
	for _, file := range files {
		attrs, err := readObject(file)
		if err != nil {
			return nil, err
		}
		if string(bytes.TrimRight(attrs[attrTokenLabel], " ")) != token {
			continue
		}
		master, err := openMaster([]byte(pin), attrs[attrUserPIN])
		if err != nil {
			return nil, err
		}
		all, err := secretsIn(filepath.Dir(file), master)
		return append(all, remains.Secret{Name: "PIN", Value: []byte(pin)}, remains.Secret{Name: "master key", Value: master}), err
	}
	return nil, fmt.Errorf("softhsm: there is no token %s below %s", token, d.tokens())
}

const tokenFile = "token.object"

func secretsIn(dir string, master []byte) (all []remains.Secret, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.object"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		attrs, err := readObject(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the key was destroyed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if filepath.Base(file) == tokenFile || bytes.Equal(attrs[attrPrivate], []byte{0}) {
			continue
		}
		label := []byte("half a key") // a crash had left it behind while it was made
		if sealed := attrs[attrLabel]; sealed != nil {
			if label, err = openCBC(master, sealed); err != nil {
				return nil, err
			}
		}
		for what, name := range secretParts {
			if value, err := openCBC(master, attrs[what]); err == nil && len(value) >= remains.Least {
				all = append(all, remains.Secret{Name: string(label) + " " + name, Value: value})
			}
		}
	}
	return all, nil
}

// openMaster undoes what SoftHSM does to the key of a token: AES-256-CBC under the PIN, hashed with the salt many times.
func openMaster(pin, sealed []byte) ([]byte, error) {
	const saltLen, rounds = 8, 1500
	mark := []byte("RJR")
	if len(sealed) < saltLen {
		return nil, errors.New("softhsm: the token has no user PIN")
	}
	salt := sealed[:saltLen]
	sum := sha256.Sum256(append(bytes.Clone(salt), pin...))
	for range rounds + int(salt[saltLen-1]) - 1 {
		sum = sha256.Sum256(sum[:])
	}
	plain, err := openCBC(sum[:], sealed[saltLen:])
	if err != nil || !bytes.HasPrefix(plain, mark) {
		return nil, fmt.Errorf("softhsm: the PIN does not open the token (%v)", err)
	}
	return plain[len(mark):], nil
}

// openCBC opens IV | AES-CBC with padding.
func openCBC(key, sealed []byte) ([]byte, error) {
	const size = aes.BlockSize
	if len(sealed) < 2*size || len(sealed)%size != 0 {
		return nil, errors.New("softhsm: not sealed")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(sealed)-size)
	cipher.NewCBCDecrypter(block, sealed[:size]).CryptBlocks(plain, sealed[size:])
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > size || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errors.New("softhsm: not sealed with this key")
	}
	return plain[:len(plain)-pad], nil
}

// readObject reads an object of SoftHSM's file store: a generation, then attributes of type, kind and value.
func readObject(file string) (map[uint64][]byte, error) {
	const boolean, number, octets, attributes, mechanisms = 1, 2, 3, 4, 5
	b, err := os.ReadFile(file)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	bad := fmt.Errorf("softhsm: %s is not an object of SoftHSM", file)
	take := func(n uint64) []byte {
		if n > uint64(len(b)) {
			err = bad
			return make([]byte, 8)
		}
		out := b[:n]
		b = b[n:]
		return out
	}
	word := func() uint64 { return binary.BigEndian.Uint64(take(8)) }
	word()
	all := map[uint64][]byte{}
	for len(b) > 0 && err == nil {
		what := word()
		switch word() {
		case boolean:
			all[what] = take(1)
		case number:
			all[what] = take(8)
		case octets, attributes:
			all[what] = take(word())
		case mechanisms:
			take(8 * word())
		default:
			return nil, bad
		}
	}
	return all, err
}
