package refsession

import (
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
)

//go:embed testdata/gdoi-refimpl-loopback.pcap
var capture []byte

//go:embed testdata/expected.json
var expected []byte

// Session is the capture and what is known about it.
type Session struct {
	// Frames in the order of the capture; frame n of the capture is Frames[n-1].
	Frames []Frame `json:"-"`
	Phase1 Phase1  `json:"phase1"`
	Pull   Pull    `json:"pull"`
	Push   []Push  `json:"push"`
	KEK    KEK     `json:"kek"`
}

// Frame is one UDP datagram.
type Frame struct {
	Src, Dst netip.AddrPort
	Data     []byte
}

// Phase1 holds the values of Main Mode, named as in RFC 2409 §5.
type Phase1 struct {
	PSK        string `json:"psk_ascii"`
	CookieI    Hex    `json:"cky_i"`
	CookieR    Hex    `json:"cky_r"`
	Ni, Nr     Hex
	GXI        Hex `json:"g_xi"`
	GXR        Hex `json:"g_xr"`
	GXY        Hex `json:"g_xy"`
	SAib       Hex `json:"SAi_b"`
	IDiib      Hex `json:"IDii_b"`
	IDirb      Hex `json:"IDir_b"`
	SKEYID     Hex
	SKEYIDd    Hex `json:"SKEYID_d"`
	SKEYIDa    Hex `json:"SKEYID_a"`
	SKEYIDe    Hex `json:"SKEYID_e"`
	Key        Hex `json:"3des_key"`
	FirstIV    Hex `json:"first_iv"`
	HashI      Hex `json:"HASH_I"`
	HashR      Hex `json:"HASH_R"`
	LastBlock  Hex `json:"last_phase1_cbc_block"`
	Plaintext5 Hex `json:"msg5_plaintext"`
	Plaintext6 Hex `json:"msg6_plaintext"`
}

// Pull holds the values of the GROUPKEY-PULL.
type Pull struct {
	MessageID Hex `json:"message_id"`
	FirstIV   Hex `json:"first_iv"`
	Nib       Hex `json:"Ni_b"`
	Nrb       Hex `json:"Nr_b"`
	Messages  []Message
}

// Message is a decrypted message.
type Message struct {
	Frame     int
	Plaintext Hex
	// Used octets of the plaintext; the rest is padding.
	Used     int `json:"used_octets"`
	Payloads []Payload
	Hash     Hex `json:"HASH"`
}

// Payload is a payload with its generic header.
type Payload struct {
	Type uint8
	Hex  Hex
}

// Push is a decrypted GROUPKEY-PUSH.
type Push struct {
	Message
	// Signed is the digest that its signature is over.
	Signed Hex `json:"signed_sha256"`
}

// KEK is the key of the GROUPKEY-PUSHes.
type KEK struct {
	SPI, IV, Key Hex
	PublicKey    Hex `json:"signature_public_key_spki_der"`
}

// Hex is octets that JSON shows in hexadecimal.
type Hex []byte

// UnmarshalText reads the hexadecimal form.
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// Load returns a fresh copy of the session. It panics when the embedded files are damaged.
func Load() *Session {
	s := new(Session)
	if err := json.Unmarshal(expected, s); err != nil {
		panic(fmt.Sprintf("refsession: expected.json: %v", err))
	}
	s.Frames = frames(append([]byte(nil), capture...))
	return s
}

// frames reads a little-endian pcap of Ethernet frames that each hold one UDP datagram over IPv4 without options.
func frames(b []byte) (fs []Frame) {
	const fileHeader, recordHeader, ethernet, ipv4, udp = 24, 16, 14, 20, 8
	for b = b[fileHeader:]; len(b) > 0; {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		ip := b[recordHeader+ethernet : recordHeader+n]
		u := ip[ipv4:]
		addr := func(at, port int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[at:])), binary.BigEndian.Uint16(u[port:]))
		}
		fs = append(fs, Frame{addr(12, 0), addr(16, 2), u[udp:binary.BigEndian.Uint16(u[4:])]})
		b = b[recordHeader+n:]
	}
	return fs
}
