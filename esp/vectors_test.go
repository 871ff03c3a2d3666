package esp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

type hexBytes []byte

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// TestESPVectors matches whole packets, made and opened. Those with extended sequence numbers are left out: this package
// does not do them.
func TestESPVectors(t *testing.T) {
	espVectors(t, "aes-gcm-esp.json", 3, func(key []byte) Suite { return gcmOf(len(key) + saltLen) })
	espVectors(t, "rfc7634-chacha20-poly1305.json", 1, func([]byte) Suite { return ChaCha20Poly1305 })
}

func espVectors(t *testing.T, name string, least int, suiteOf func(key []byte) Suite) {
	var file struct {
		Cases []struct {
			Case      int
			Key, Salt hexBytes
			IV        hexBytes
			SPI, Seq  hexBytes
			ESN       bool
			Plaintext hexBytes `json:"plaintext_with_esp_trailer"`
			Packet    hexBytes `json:"esp_packet"`
		}
	}
	readJSON(t, name, &file)
	done := 0
	for _, c := range file.Cases {
		if c.ESN {
			continue
		}
		done++
		t.Run(fmt.Sprint(name, " case ", c.Case), func(t *testing.T) {
			sa, err := NewSA(binary.BigEndian.Uint32(c.SPI), suiteOf(c.Key), append(append([]byte{}, c.Key...), c.Salt...), 24)
			if err != nil {
				t.Fatal(err)
			}
			pad, next := int(c.Plaintext[len(c.Plaintext)-2]), c.Plaintext[len(c.Plaintext)-1]
			want := c.Plaintext[:len(c.Plaintext)-2-pad]
			buf := make([]byte, Headroom+len(want)+Tailroom)
			copy(buf[Headroom:], want)
			ticket := Ticket{IV: binary.BigEndian.Uint64(c.IV), Seq: binary.BigEndian.Uint32(c.Seq)}
			start, n, err := sa.Seal(new(Context), ticket, buf, Headroom, len(want), next)
			if err != nil || !bytes.Equal(buf[start:start+n], c.Packet) {
				t.Errorf("sealed %x, %v\n want  %x", buf[start:start+n], err, c.Packet)
			}
			got, gotNext, err := sa.Open(new(Context), bytes.Clone(c.Packet))
			if err != nil || gotNext != next || !bytes.Equal(got, want) {
				t.Errorf("opened %x next header %d, %v", got, gotNext, err)
			}
		})
	}
	if done < least {
		t.Fatalf("only %d cases", done)
	}
}

// TestWycheproof runs the cipher of an SA, salt and IV put together as for a packet, against Wycheproof's vectors.
func TestWycheproof(t *testing.T) {
	wycheproof(t, "wycheproof-aes-gcm.json", func(key []byte) Suite { return gcmOf(len(key) + saltLen) })
	wycheproof(t, "wycheproof-chacha20-poly1305.json", func([]byte) Suite { return ChaCha20Poly1305 })
}

func wycheproof(t *testing.T, name string, suiteOf func(key []byte) Suite) {
	var file struct {
		Tests []struct {
			TcID                       int
			Comment, Result            string
			Key, IV, AAD, Msg, CT, Tag hexBytes
		}
	}
	readJSON(t, name, &file)
	valid, invalid := 0, 0
	for _, c := range file.Tests {
		t.Run(fmt.Sprint(name, " ", c.TcID, " ", c.Comment), func(t *testing.T) {
			sa, err := NewSA(1, suiteOf(c.Key), append(bytes.Clone(c.Key), c.IV[:saltLen]...), 24)
			if err != nil {
				t.Fatal(err)
			}
			var ctx Context
			copy(ctx.nonce[:], sa.salt[:])
			copy(ctx.nonce[saltLen:], c.IV[saltLen:])
			sealed := append(bytes.Clone(c.CT), c.Tag...)
			got, err := sa.aead.Open(nil, ctx.nonce[:], sealed, c.AAD)
			if c.Result == "invalid" {
				invalid++
				if err == nil {
					t.Fatal("accepted")
				}
				return
			}
			valid++
			if err != nil || !bytes.Equal(got, c.Msg) {
				t.Fatalf("opened %x, %v", got, err)
			}
			if out := sa.aead.Seal(nil, ctx.nonce[:], c.Msg, c.AAD); !bytes.Equal(out, sealed) {
				t.Fatalf("sealed %x, want %x", out, sealed)
			}
		})
	}
	if valid < 20 || invalid < 50 {
		t.Fatalf("%d valid and %d invalid vectors: too few", valid, invalid)
	}
}
