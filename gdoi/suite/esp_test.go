package suite

import (
	"errors"
	"testing"
)

func TestESPRegistry(t *testing.T) {
	if len(AllESP()) != 29 {
		t.Fatal(len(AllESP()))
	}
	modern := map[ESP]bool{}
	for _, e := range ModernESP() {
		modern[e] = true
	}
	for _, e := range AllESP() {
		if got, err := ParseESP(e.String()); err != nil || got != e {
			t.Errorf("%v: %v, %v", e, got, err)
		}
		if got, err := ESPFromSAT(e.TransformID(), e.KeyBits(), e.Auth()); err != nil || got != e {
			t.Errorf("%v: %v, %v", e, got, err)
		}
		if modern[e] != (e.Warning() == "") || modern[e] && !e.Encrypts() {
			t.Errorf("%v: modern %v, warning %q", e, modern[e], e.Warning())
		}
	}
	if ESP(0).Valid() || numESP.Valid() || ESP(0).KeymatLen() != 0 {
		t.Error("0 is no suite")
	}
}

// TestESPNumbers holds the lengths and numbers of the RFCs, and the numbers that key servers keep on disk.
func TestESPNumbers(t *testing.T) {
	for _, row := range []struct {
		name                 string
		stored               ESP
		transform            uint8
		bits, auth           uint16
		algorithm, integrity int
		counter, encrypts    bool
	}{
		{"aes-128-gcm", 1, 20, 128, 0, 20, 0, true, true},
		{"aes-256-gcm", 2, 20, 256, 0, 36, 0, true, true},
		{"aes-192-gcm", 3, 20, 192, 0, 28, 0, true, true},
		{"aes-128-gmac", 4, 23, 128, 0, 20, 0, true, false},
		{"aes-256-gmac", 6, 23, 256, 0, 36, 0, true, false},
		{"aes-128-cbc-sha256", 7, 12, 128, 5, 16, 32, false, true},
		{"aes-192-cbc-sha384", 11, 12, 192, 6, 24, 48, false, true},
		{"aes-256-cbc-sha512", 15, 12, 256, 7, 32, 64, false, true},
		{"aes-128-ctr-sha256", 16, 13, 128, 5, 20, 32, true, true},
		{"aes-256-ctr-sha512", 24, 13, 256, 7, 36, 64, true, true},
		{"3des-cbc-sha1", 25, 3, 0, 2, 24, 20, false, true},
		{"null-sha256", 26, 11, 0, 5, 0, 32, false, false},
		{"null-sha512", 28, 11, 0, 7, 0, 64, false, false},
		{"chacha20-poly1305", 29, 249, 0, 0, 36, 0, true, true},
	} {
		e, err := ParseESP(row.name)
		if err != nil || e != row.stored || e.TransformID() != row.transform || e.KeyBits() != row.bits || e.Auth() != row.auth ||
			e.AlgorithmKeyLen() != row.algorithm || e.IntegrityKeyLen() != row.integrity || e.KeymatLen() != row.algorithm+row.integrity ||
			e.Counter() != row.counter || e.Encrypts() != row.encrypts {
			t.Errorf("%s: %+v, %v", row.name, e.info(), err)
		}
	}
}

func TestESPFromSAT(t *testing.T) {
	for _, row := range []struct {
		name       string
		transform  uint8
		bits, auth uint16
		want       ESP
	}{
		{"3DES may say its length", 3, 192, 2, ESP3DESCBCSHA1},
		{"but no other", 3, 168, 2, 0},
		{"NULL has none", 11, 128, 5, 0},
		{"AES-GCM without key length", 20, 0, 0, 0},
		{"AES-GCM with an authentication algorithm", 20, 128, 5, 0},
		{"AES-GMAC with one", 23, 128, 5, 0},
		{"AES-CBC without key length", 12, 0, 5, 0},
		{"AES-CBC without authentication", 12, 128, 0, 0},
		{"AES-CBC with HMAC-MD5", 12, 128, 1, 0},
		{"AES-CBC with HMAC-SHA-1", 12, 128, 2, 0},
		{"AES-CTR without authentication: RFC 3686 forbids it", 13, 128, 0, 0},
		{"AES-GCM with ICV 8", 18, 128, 0, 0},
		{"DES", 2, 0, 2, 0},
	} {
		got, err := ESPFromSAT(row.transform, row.bits, row.auth)
		if got != row.want || (row.want == 0) != errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v, %v", row.name, got, err)
		}
	}
}
