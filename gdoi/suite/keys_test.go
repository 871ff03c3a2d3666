package suite

import (
	"bytes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // the reference session's cipher, here only
	"encoding/binary"
	"errors"
	"testing"

	"github.com/getvpn/getvpn/gdoi/machine"
)

func TestCAVS(t *testing.T) {
	var v struct {
		Cases []struct {
			Name                                 string
			GXY                                  hexBytes `json:"g_xy"`
			PSK, Ni, Nr                          hexBytes
			CkyI                                 hexBytes `json:"cky_i"`
			CkyR                                 hexBytes `json:"cky_r"`
			SKEYID, SKEYID_d, SKEYID_a, SKEYID_e hexBytes //nolint:revive // names of the file
		}
	}
	load(t, "cavs-kdf.json", &v)
	for _, c := range v.Cases {
		t.Run(c.Name, func(t *testing.T) {
			p := Phase1{Cipher: AES128CBC, Hash: machine.SHA1, Group: MODP2048, Auth: AuthPSK}
			in := KeyInput{Ni: c.Ni, Nr: c.Nr, GXY: machine.NewSecret(c.GXY), CkyI: c.CkyI, CkyR: c.CkyR}
			var k *Phase1Keys
			if c.Name == "psk" {
				k = p.KeysPSK(machine.NewSecret(c.PSK), in)
			} else {
				k = p.KeysSignature(in)
			}
			for i, pair := range [][2][]byte{
				{k.SKEYID.Bytes(), c.SKEYID}, {k.D.Bytes(), c.SKEYID_d}, {k.A.Bytes(), c.SKEYID_a}, {k.E.Bytes(), c.SKEYID_e},
			} {
				if !bytes.Equal(pair[0], pair[1]) {
					t.Errorf("key %d: %x, want %x", i, pair[0], pair[1])
				}
			}
			e := k.E.Bytes()
			k.Destroy()
			if k.E.Len() != 0 || !bytes.Equal(e, make([]byte, len(e))) {
				t.Error("Destroy left SKEYID_e")
			}
		})
	}
}

type reference struct {
	Phase1 struct {
		PSK       string   `json:"psk_ascii"`
		CkyI      hexBytes `json:"cky_i"`
		CkyR      hexBytes `json:"cky_r"`
		Ni, Nr    hexBytes
		GXI       hexBytes `json:"g_xi"`
		GXR       hexBytes `json:"g_xr"`
		GXY       hexBytes `json:"g_xy"`
		SKEYID    hexBytes
		E         hexBytes `json:"SKEYID_e"`
		A         hexBytes `json:"SKEYID_a"`
		CipherKey hexBytes `json:"3des_key"`
		FirstIV   hexBytes `json:"first_iv"`
		Last      hexBytes `json:"last_phase1_cbc_block"`
		SAiB      hexBytes `json:"SAi_b"`
		IDiiB     hexBytes `json:"IDii_b"`
		IDirB     hexBytes `json:"IDir_b"`
		HashI     hexBytes `json:"HASH_I"`
		HashR     hexBytes `json:"HASH_R"`
		Msg5Plain hexBytes `json:"msg5_plaintext"`
		Msg6Plain hexBytes `json:"msg6_plaintext"`
		Msg5      hexBytes
		Msg6      hexBytes
	}
	Pull struct {
		MessageID hexBytes `json:"message_id"`
		FirstIV   hexBytes `json:"first_iv"`
	}
	PushSignature struct {
		Key       hexBytes `json:"public_key_der"`
		SHA256    hexBytes
		Signature hexBytes
	} `json:"push_signature"`
}

// The reference session used 3DES, 8-octet blocks and SHA-1: the parts of the derivation that do not depend on AES.
func TestReferenceSession(t *testing.T) {
	var r reference
	load(t, "reference-session.json", &r)
	p := r.Phase1
	in := KeyInput{Ni: p.Ni, Nr: p.Nr, GXI: p.GXI, GXR: p.GXR, GXY: machine.NewSecret(p.GXY), CkyI: p.CkyI, CkyR: p.CkyR}
	k := Phase1{Cipher: AES128CBC, Hash: machine.SHA1}.KeysPSK(machine.NewSecret([]byte(p.PSK)), in)
	if !bytes.Equal(k.SKEYID.Bytes(), p.SKEYID) || !bytes.Equal(k.A.Bytes(), p.A) || !bytes.Equal(k.E.Bytes(), p.E) {
		t.Error("SKEYID, SKEYID_a or SKEYID_e differs")
	}
	key := ExpandKey(machine.SHA1, k.E, 24)
	if !bytes.Equal(key.Bytes(), p.CipherKey) {
		t.Errorf("3DES key %x, want %x", key.Bytes(), p.CipherKey)
	}
	if !bytes.Equal(k.FirstIV[:8], p.FirstIV) {
		t.Errorf("first IV %x", k.FirstIV)
	}
	if iv := ExchangeIV(machine.SHA1, p.Last, binary.BigEndian.Uint32(r.Pull.MessageID)); !bytes.Equal(iv, r.Pull.FirstIV) {
		t.Errorf("IV of the PULL %x, want %x", iv, r.Pull.FirstIV)
	}
	// The key and the IV chain open the captured messages 5 and 6.
	block, err := des.NewTripleDESCipher(key.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	const header = 28
	iv := []byte(p.FirstIV)
	for i, m := range []struct{ wire, plain hexBytes }{{p.Msg5, p.Msg5Plain}, {p.Msg6, p.Msg6Plain}} {
		got := make([]byte, len(m.wire)-header)
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(got, m.wire[header:])
		if !bytes.HasPrefix(got, m.plain) {
			t.Errorf("message %d: %x, want %x", i+5, got, m.plain)
		}
		iv = m.wire[len(m.wire)-8:]
	}
	if !bytes.Equal(iv, p.Last) {
		t.Errorf("last block %x, want %x", iv, p.Last)
	}
	if h := PRF(machine.SHA1, p.SKEYID, p.GXI, p.GXR, p.CkyI, p.CkyR, p.SAiB, p.IDiiB); !bytes.Equal(h, p.HashI) {
		t.Errorf("HASH_I %x, want %x", h, p.HashI)
	}
	if h := PRF(machine.SHA1, p.SKEYID, p.GXR, p.GXI, p.CkyR, p.CkyI, p.SAiB, p.IDirB); !bytes.Equal(h, p.HashR) {
		t.Errorf("HASH_R %x, want %x", h, p.HashR)
	}
}

func TestExpandKeyTakesLeadingOctets(t *testing.T) {
	e := machine.NewSecret(bytes.Repeat([]byte{7}, 32))
	if k := ExpandKey(machine.SHA256, e, 16); k.Len() != 16 || !bytes.Equal(k.Bytes(), e.Bytes()[:16]) {
		t.Errorf("16 of 32: %x", k.Bytes())
	}
	// SHA-1 gives 20 octets: a 32-octet key needs two rounds, and the first is not SKEYID_e itself.
	k := ExpandKey(machine.SHA1, machine.NewSecret(e.Bytes()[:20]), 32)
	k1 := PRF(machine.SHA1, e.Bytes()[:20], []byte{0})
	k2 := PRF(machine.SHA1, e.Bytes()[:20], k1)
	if want := append(k1, k2...)[:32]; !bytes.Equal(k.Bytes(), want) {
		t.Errorf("32 of 20: %x, want %x", k.Bytes(), want)
	}
}

func TestCBC(t *testing.T) {
	key, iv := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 16)
	for n := range 50 {
		plain := bytes.Repeat([]byte{3}, n)
		ct, err := EncryptCBC(key, iv, plain)
		if err != nil || len(ct) != (n+15)/16*16 {
			t.Fatalf("%d octets: %d octets, %v", n, len(ct), err)
		}
		if n == 0 {
			continue
		}
		back, err := DecryptCBC(key, iv, ct)
		if err != nil || !bytes.Equal(back, Pad(plain)) {
			t.Fatalf("%d octets: %x, %v", n, back, err)
		}
	}
	for name, err := range map[string]error{
		"key of 24":      second(EncryptCBC(key[:24], iv, nil)),
		"iv of 8":        second(EncryptCBC(key, iv[:8], nil)),
		"empty":          second(DecryptCBC(key, iv, nil)),
		"17 octets":      second(DecryptCBC(key, iv, make([]byte, 17))),
		"decrypt key 31": second(DecryptCBC(key[:31], iv, make([]byte, 16))),
	} {
		if !errors.Is(err, ErrLength) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second(_ []byte, err error) error { return err }

// RFC 3602 §4, case 1 and case 2 without padding: AES-CBC itself.
func TestRFC3602(t *testing.T) {
	ct, err := EncryptCBC(unhex(t, "06a9214036b8a15b512e03d534120006"), unhex(t, "3dafba429d9eb430b422da802c9fac41"), []byte("Single block msg"))
	if err != nil || !bytes.Equal(ct, unhex(t, "e353779c1079aeb82708942dbe77181a")) {
		t.Errorf("%x, %v", ct, err)
	}
}
