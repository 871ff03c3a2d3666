package suite

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Algorithms of old peers, for example the GDOI reference program of 2011. They are in no default, and ParsePhase1 does
// not know them: a configuration has to name a whole suite where it says what else is allowed (ParseLegacyPhase1).
const (
	// TripleDESCBC is 3DES with three keys (RFC 2451); its blocks of 64 bits must not encrypt much.
	TripleDESCBC Cipher = 101
	// CipherIKE3DES is its number in the phase-1 attribute "Encryption Algorithm"; it takes no Key Length.
	CipherIKE3DES = 5
	// MODP1024 is the Second Oakley Group (RFC 2409 §6.2), within reach of a large attacker.
	MODP1024 Group = 2

	tripleDESKeyLen = 24
)

// legacyPhase1 are the suites that can be allowed by name.
var legacyPhase1 = []Phase1{
	{TripleDESCBC, machine.SHA1, MODP1024, AuthPSK},
	{AES128CBC, machine.SHA1, MODP1024, AuthPSK},
}

// ParseLegacyPhase1 reads the name of a suite that is too weak for any default.
func ParseLegacyPhase1(s string) (Phase1, error) {
	var names []string
	for _, p := range legacyPhase1 {
		if p.String() == s {
			return p, nil
		}
		names = append(names, p.String())
	}
	return Phase1{}, fmt.Errorf("%w: old suite %q; those that can be allowed are %s", ErrUnknown, s, strings.Join(names, ", "))
}

// group2 is the prime of RFC 2409 §6.2; the generator is 2.
var group2 = mustModulus("" +
	"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD" +
	"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF")
