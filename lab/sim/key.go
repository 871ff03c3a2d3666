package sim

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"math/rand/v2"
	"sync"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// signers are the key custodies of simulated key servers: RSA-2048 keys, the same in every process, because a
// trace hash covers signatures. They protect nothing.
var signers = func() (all [coop.MaxKeyServers]func() *rsa.PrivateKey) {
	for i := range all {
		all[i] = sync.OnceValue(func() *rsa.PrivateKey {
			return makeSigner(fmt.Sprintf("getvpn simulator, signing key %02d", i+1))
		})
	}
	return all
}()

// signer is which of them key server i, from 0, has: all have one, unless each has its own.
func (c *Config) signer(i int) int {
	if c.Coop != nil && c.Coop.OwnKeys {
		return i
	}
	return 0
}

func makeSigner(seed string) *rsa.PrivateKey {
	stream := rand.NewChaCha8([32]byte([]byte(seed)))
	e := big.NewInt(65537)
	one := big.NewInt(1)
	prime := func() *big.Int {
		b := make([]byte, 128)
		for {
			_, _ = stream.Read(b) // never fails
			b[0] |= 0xc0
			b[127] |= 1
			p := new(big.Int).SetBytes(b)
			if p.ProbablyPrime(20) && new(big.Int).GCD(nil, nil, e, new(big.Int).Sub(p, one)).Cmp(one) == 0 {
				return p
			}
		}
	}
	p, q := prime(), prime()
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	k := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(e, phi),
		Primes:    []*big.Int{p, q},
	}
	k.Precompute()
	return k
}

// publicDER is what members get.
func publicDER(signer int) []byte {
	der, err := x509.MarshalPKIXPublicKey(&signers[signer]().PublicKey)
	if err != nil {
		panic("sim: " + err.Error())
	}
	return der
}

// sign is deterministic: PKCS #1 v1.5 takes no randomness.
func sign(signer int, e machine.Sign) ([]byte, error) {
	h := crypto.Hash(0)
	if e.Scheme == machine.SignRSAPKCS1 {
		h = suite.HashStd(e.Hash)
	}
	if len(e.Digest) != suite.HashLen(e.Hash) {
		return nil, suite.ErrLength
	}
	return rsa.SignPKCS1v15(nil, signers[signer](), h, e.Digest)
}
