package classic

import (
	"encoding/hex"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
)

// PubkeyBlock is the public keys that a member trusts for rekeys.
type PubkeyBlock struct {
	Group string   `json:"group"`
	My    string   `json:"my_cookie"`
	His   string   `json:"his_cookie"`
	Keys  []Pubkey `json:"keys"`
}

// Pubkey is one of them.
type Pubkey struct {
	KeyServer string `json:"ks_ip_address"` // that signed a rekey with it; 0.0.0.0: none was yet
	Algorithm string `json:"algorithm"`
	DER       []byte `json:"der"`
}

type pubkeyBlocks []PubkeyBlock

func gmPubkey(s *control.Snapshot, q Query) Answer {
	return pubkeyBlocks(eachGM(s, q, func(g *control.GMGroup) PubkeyBlock {
		b := PubkeyBlock{Group: g.Name, My: absent, His: absent, Keys: []Pubkey{}}
		if g.KEK != nil {
			b.My, b.His = cookies(g.KEK.SPI)
		}
		for _, k := range g.SigningKeys {
			b.Keys = append(b.Keys, Pubkey{host(k.KeyServer), k.Algorithm, k.DER})
		}
		return b
	}))
}

// wordsOfKey is how many 4-octet words of a key stand on a line.
const wordsOfKey = 8

func (all pubkeyBlocks) print(p *page) {
	for i, b := range all {
		if i > 0 {
			p.blank()
		}
		p.line(2, "GDOI Group: %s", b.Group)
		for n, k := range b.Keys {
			if n > 0 {
				p.blank()
			}
			p.line(4, "KS IP Address: %s", k.KeyServer)
			p.line(4, "conn-id: %d    my-cookie:%s    his-cookie:%s", 0, b.My, b.His)
			p.line(4, "Key Data:")
			text := strings.ToUpper(hex.EncodeToString(k.DER))
			for len(text) > 0 {
				var words []string
				for len(text) > 0 && len(words) < wordsOfKey {
					w := text[:min(8, len(text))]
					words, text = append(words, w), text[len(w):]
				}
				p.line(6, "%s", strings.Join(words, " "))
			}
		}
	}
}
