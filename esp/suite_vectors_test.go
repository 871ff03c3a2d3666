package esp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"testing"
)

// withKeys is an SA of a suite with these parts of the keying material; what is missing is zero.
func withKeys(t *testing.T, s Suite, cipherKey, integrityKey []byte) *SA {
	t.Helper()
	keymat := make([]byte, s.KeyMatLen())
	copy(keymat, cipherKey)
	copy(keymat[s.cipherKeyLen():], integrityKey)
	sa, err := NewSA(0x8765, s, keymat, 24)
	if err != nil {
		t.Fatal(err)
	}
	return sa
}

// TestAESCBCVectors opens the packets of RFC 3602 §4, with the ICV that its text leaves out.
func TestAESCBCVectors(t *testing.T) {
	var file struct {
		Cases []struct {
			Case       int
			Key, IV    hexBytes
			SPI, Seq   hexBytes
			Plaintext  hexBytes
			Ciphertext hexBytes
		}
	}
	readJSON(t, "rfc3602-aes-cbc.json", &file)
	for _, c := range file.Cases {
		t.Run(fmt.Sprint("case ", c.Case), func(t *testing.T) {
			sa := withKeys(t, AES128CBCSHA256, c.Key, testKey(32))
			b := append(append(append(bytes.Clone(c.SPI), c.Seq...), c.IV...), c.Ciphertext...)
			h := hmac.New(hashes[hmacSHA256].new, testKey(32))
			h.Write(b)
			b = append(b, h.Sum(nil)[:16]...)
			pad := int(c.Plaintext[len(c.Plaintext)-2])
			want := c.Plaintext[:len(c.Plaintext)-2-pad]
			if tk, known, ok := sa.Ticket(new(Context), b); !ok || known || tk.Seq != binary.BigEndian.Uint32(c.Seq) {
				t.Error("ticket", tk, known, ok)
			}
			got, next, err := sa.Open(new(Context), bytes.Clone(b))
			if err != nil || next != c.Plaintext[len(c.Plaintext)-1] || !bytes.Equal(got, want) {
				t.Fatalf("%x %d %v", got, next, err)
			}
			if again := foreign(sa, tk(b), c.IV, want); next == NextIPv4 && !bytes.Equal(again[8:], b[8:]) {
				t.Errorf("sealed %x\n want  %x", again, b)
			}
		})
	}
	if len(file.Cases) != 4 {
		t.Fatal(len(file.Cases), "cases")
	}
}

func tk(b []byte) uint32 { return binary.BigEndian.Uint32(b[4:]) }

func TestAESCTRVectors(t *testing.T) {
	var file struct {
		Cases []struct {
			Case                                  int
			Key, Nonce, IV, Plaintext, Ciphertext hexBytes
		}
	}
	readJSON(t, "rfc3686-aes-ctr.json", &file)
	suiteOf := map[int]Suite{16: AES128CTRSHA256, 24: AES192CTRSHA384, 32: AES256CTRSHA512}
	for _, c := range file.Cases {
		sa := withKeys(t, suiteOf[len(c.Key)], append(bytes.Clone(c.Key), c.Nonce...), nil)
		got := bytes.Clone(c.Plaintext)
		sa.xorCTR(new(Context), c.IV, got)
		if !bytes.Equal(got, c.Ciphertext) {
			t.Errorf("case %d: %x, want %x", c.Case, got, c.Ciphertext)
		}
	}
	if len(file.Cases) != 9 {
		t.Fatal(len(file.Cases), "cases")
	}
}

// TestGMACVectors runs the cipher of an SA over whole messages, as Seal and Open do over a packet.
func TestGMACVectors(t *testing.T) {
	var file struct {
		Tests []struct {
			TcID              int
			Comment, Result   string
			Key, IV, Msg, Tag hexBytes
		}
	}
	readJSON(t, "wycheproof-aes-gmac.json", &file)
	suiteOf := map[int]Suite{16: AES128GMAC, 24: AES192GMAC, 32: AES256GMAC}
	count := map[string]int{}
	for _, c := range file.Tests {
		sa := withKeys(t, suiteOf[len(c.Key)], append(bytes.Clone(c.Key), c.IV[:saltLen]...), nil)
		_, err := sa.aead.Open(nil, c.IV, c.Tag, c.Msg)
		if (err == nil) != (c.Result == "valid") {
			t.Errorf("%d %s: %v, want %s", c.TcID, c.Comment, err, c.Result)
		}
		count[c.Result]++
		if tag := sa.aead.Seal(nil, c.IV, nil, c.Msg); bytes.Equal(tag, c.Tag) != (c.Result == "valid") {
			t.Errorf("%d %s: tag %x", c.TcID, c.Comment, tag)
		}
	}
	if count["valid"] < 40 || count["invalid"] < 50 {
		t.Fatal(count)
	}
}

var macSuites = map[string]Suite{"sha256": NullSHA256, "sha384": NullSHA384, "sha512": NullSHA512}

func TestHMACVectors(t *testing.T) {
	var rfc struct {
		Cases []struct {
			Hash          string
			Case          int
			Key, Msg, Tag hexBytes
		}
	}
	readJSON(t, "rfc4868-hmac.json", &rfc)
	var ctx Context
	done := map[string]int{}
	for _, c := range rfc.Cases {
		sa := withKeys(t, macSuites[c.Hash], nil, c.Key)
		if got := sa.mac.sum(&ctx, c.Msg)[:sa.icv]; !bytes.Equal(got, c.Tag) {
			t.Errorf("%s case %d: %x, want %x", c.Hash, c.Case, got, c.Tag)
		}
		done[c.Hash]++
	}
	var file struct {
		Tests []struct {
			Hash            string
			TcID            int
			Comment, Result string
			Key, Msg, Tag   hexBytes
		}
	}
	readJSON(t, "wycheproof-hmac.json", &file)
	for _, c := range file.Tests {
		sa := withKeys(t, macSuites[c.Hash], nil, c.Key)
		if got := sa.mac.sum(&ctx, c.Msg)[:sa.icv]; bytes.Equal(got, c.Tag) != (c.Result == "valid") {
			t.Errorf("%s %d %s: %x, %s is %s", c.Hash, c.TcID, c.Comment, got, c.Tag, c.Result)
		}
		done[c.Hash]++
	}
	for h := range macSuites {
		if done[h] < 80 {
			t.Errorf("%s: %d vectors", h, done[h])
		}
	}
}

// TestTripleDES compares with the standard library: there is no published ESP packet with 3DES.
func TestTripleDES(t *testing.T) {
	key := testKey(44)
	sa := withKeys(t, TripleDESCBCSHA1, key[:24], key[24:])
	b := seal(t, sa, Ticket{7<<40 | 1, 1}, ipv4(100), NextIPv4)
	h := hmac.New(sha1.New, key[24:])
	h.Write(b[:len(b)-12])
	if !bytes.Equal(h.Sum(nil)[:12], b[len(b)-12:]) {
		t.Error("ICV")
	}
	block, err := des.NewTripleDESCipher(key[:24])
	if err != nil {
		t.Fatal(err)
	}
	plain := b[16 : len(b)-12]
	cipher.NewCBCDecrypter(block, b[8:16]).CryptBlocks(plain, plain)
	if !bytes.HasPrefix(plain, ipv4(100)) {
		t.Errorf("%x", plain)
	}
}

// TestAESCBCAgainstLibrary does the same with every key length.
func TestAESCBCAgainstLibrary(t *testing.T) {
	for _, s := range []Suite{AES128CBCSHA256, AES192CBCSHA384, AES256CBCSHA512} {
		sa := suiteSA(t, s)
		key := testKey(s.KeyMatLen())
		b := seal(t, sa, Ticket{7<<40 | 1, 1}, ipv4(100), NextIPv4)
		h := hmac.New(hashes[suites[s].hash].new, key[s.cipherKeyLen():])
		h.Write(b[:len(b)-sa.icv])
		if !bytes.Equal(h.Sum(nil)[:sa.icv], b[len(b)-sa.icv:]) {
			t.Error(s, "ICV")
		}
		block, err := aes.NewCipher(key[:suites[s].key])
		if err != nil {
			t.Fatal(err)
		}
		plain := b[24 : len(b)-sa.icv]
		cipher.NewCBCDecrypter(block, b[8:24]).CryptBlocks(plain, plain)
		if !bytes.HasPrefix(plain, ipv4(100)) {
			t.Errorf("%v: %x", s, plain)
		}
	}
}
