package classic

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// transform is a TEK's suite in words of devices: key lengths in octets.
type transform struct {
	name     string
	key, sig int
	counter  bool // its senders have sender ids
}

const encaps = "ENCAPS_TUNNEL"

// transformOf reads a suite: aes-256-gcm, aes-128-cbc-sha256, 3des-cbc-sha1, null-sha256, chacha20-poly1305.
func transformOf(suite string) transform {
	parts := strings.Split(suite, "-")
	t := transform{name: suite}
	switch {
	case suite == "chacha20-poly1305":
		return transform{name: "esp-chacha20-poly1305", key: 32, counter: true}
	case parts[0] == "3des":
		t = transform{name: "esp-3des", key: 24}
	case parts[0] == "null":
		t = transform{name: "esp-null"}
	case parts[0] == "aes" && len(parts) >= 3:
		bits, _ := strconv.Atoi(parts[1])
		t.key = bits / 8
		switch parts[2] {
		case "gcm", "gmac":
			t.name, t.counter = fmt.Sprintf("esp-%s %d", parts[2], bits), true
		case "ctr":
			t.name, t.counter = fmt.Sprintf("esp-%d-ctr", bits), true
		default:
			t.name = fmt.Sprintf("esp-%d-aes", bits)
		}
	default:
		return t
	}
	switch parts[len(parts)-1] {
	case "sha1":
		t.name, t.sig = t.name+" esp-sha-hmac", 20
	case "sha256":
		t.name, t.sig = t.name+" esp-sha256-hmac", 32
	case "sha384":
		t.name, t.sig = t.name+" esp-sha384-hmac", 48
	case "sha512":
		t.name, t.sig = t.name+" esp-sha512-hmac", 64
	}
	return t
}

// kekCipher reads a KEK's suite, aes-256-cbc.
func kekCipher(suite string) (name string, octets int) {
	parts := strings.Split(suite, "-")
	if len(parts) < 2 {
		return strings.ToUpper(suite), 0
	}
	bits, _ := strconv.Atoi(parts[1])
	return strings.ToUpper(parts[0]), bits / 8
}

// kekIV is the length of the IV of a KEK's cipher, AES in every suite.
const kekIV = 16

// sigHash reads "rsa-2048 sha256".
func sigHash(alg string) string {
	_, hash, ok := strings.Cut(alg, " ")
	if !ok {
		return none
	}
	return "HMAC_AUTH_" + strings.ToUpper(hash)
}

// cookies are the two halves of a KEK's SPI, as much of them as devices show.
func cookies(spi string) (my, his string) {
	if len(spi) != 32 {
		return absent, absent
	}
	return strings.ToUpper(spi[:8]), strings.ToUpper(spi[16:24])
}

const absent = "---"

// entry is a rule in the notation of devices: wildcards for masks, "port = 22" for eq 22.
func entry(rule string) string {
	words := strings.Fields(rule)
	six := strings.Contains(rule, ":") || slices.Contains(words, "any6")
	var out []string
	for i, w := range words {
		switch {
		case i == 1 && w == "ip" && six:
			out = append(out, "ipv6")
		case w == "any4", w == "any6":
			out = append(out, "any")
		case w == "eq" && !six:
			out = append(out, "port", "=")
		default:
			out = append(out, place(w))
		}
	}
	return strings.Join(out, " ")
}

// place writes an IPv4 prefix as address and wildcard.
func place(word string) string {
	p, err := netip.ParsePrefix(word)
	if err != nil || !p.Addr().Is4() {
		return word
	}
	mask := net.CIDRMask(p.Bits(), 32)
	for i := range mask {
		mask[i] ^= 0xff
	}
	return p.Addr().String() + " " + net.IP(mask).String()
}
