package classic

import (
	"cmp"
	"strconv"
	"strings"
	"unicode"

	"github.com/getvpn/getvpn/daemon/control"
)

// PolicyOf are the keys of a group on a key server. Times are seconds, sizes octets.
type PolicyOf struct {
	Group     string   `json:"group_name"`
	Handle    int      `json:"group_handle"`
	Server    string   `json:"server"`
	Number    int      `json:"server_handle"`
	Seq       uint32   `json:"seq_num"`
	Transport string   `json:"transport_type"`
	KEK       *KSKEK   `json:"kek_policy,omitempty"`
	TEKs      []KSTEK  `json:"tek_policy"` // newest first
	Previous  []string `json:"kek_previous,omitempty"`
}

// KSKEK is the newest KEK.
type KSKEK struct {
	SPI       string `json:"spi"`
	Algorithm string `json:"encrypt_alg"`
	IV        int    `json:"crypto_iv_length"`
	Key       int    `json:"key_size"`
	Life      int    `json:"orig_life_secs"`
	Left      int    `json:"remaining_life_secs"`
	ToRekey   int    `json:"time_to_rekey_sec"`
	SigKey    int    `json:"sig_key_length"`
	SigSize   int    `json:"sig_size"`
	SigName   string `json:"sig_key_name"`
	SigAlg    string `json:"sig_algorithm"` // in our own words
	Ack       string `json:"acknowledgement"`
}

// KSTEK is a TEK.
type KSTEK struct {
	SPI       string `json:"spi"`
	Encaps    string `json:"encaps"`
	ACL       string `json:"access_list"`
	Transform string `json:"transform"`
	Key       int    `json:"alg_key_size"`
	Sig       int    `json:"sig_key_size"`
	Life      int    `json:"orig_life_secs"`
	Left      int    `json:"remaining_life_secs"`
	Elapsed   int    `json:"elapsed_time_sec"`
	Window    int    `json:"antireplay_window_size"` // seconds; 0: members choose their windows
	ToRekey   *int   `json:"time_to_rekey_sec"`      // null: a newer one has taken its place
	Phase     string `json:"phase"`                  // in our own words
}

type policiesOf []PolicyOf

func ksPolicy(s *control.Snapshot, q Query) Answer {
	return policiesOf(eachKS(s, q, func(i int, g *control.KSGroup) PolicyOf { return policyOf(s, i, g) }))
}

func policyOf(s *control.Snapshot, i int, g *control.KSGroup) PolicyOf {
	b := PolicyOf{Group: g.Name, Handle: i + 1, Transport: title(g.RekeyKind), TEKs: []KSTEK{}}
	b.Server, b.Number = self(s, g)
	if k := g.KEK; k != nil {
		name, octets := kekCipher(k.Suite)
		b.Seq = k.Seq
		b.KEK = &KSKEK{
			SPI: "0x" + strings.ToUpper(k.SPI), Algorithm: name, IV: kekIV, Key: octets, Life: k.Lifetime, Left: k.Remaining, ToRekey: until(s.Time, k.NextRekey),
			SigKey: k.SignatureKeyLen, SigSize: k.SignatureLen, SigName: k.SignatureKey, SigAlg: k.SignatureAlg, Ack: acknowledgement(g.Acknowledge),
		}
		if k.PreviousSPI != "" {
			b.Previous = []string{"0x" + strings.ToUpper(k.PreviousSPI)}
		}
	}
	last := newest(g.TEKs)
	for n := len(g.TEKs) - 1; n >= 0; n-- {
		t := &g.TEKs[n]
		suite := transformOf(t.Suite)
		one := KSTEK{
			SPI: "0x" + strings.ToUpper(t.SPI), Encaps: encaps, ACL: aclName(g, t), Transform: suite.name, Key: suite.key, Sig: suite.sig,
			Life: t.Lifetime, Left: t.Remaining, Elapsed: until(t.Created, s.Time), Window: int(g.ReplayValue), Phase: t.Phase,
		}
		for _, o := range last {
			if o == t {
				left := until(s.Time, g.NextRekey)
				one.ToRekey = &left
			}
		}
		b.TEKs = append(b.TEKs, one)
	}
	return b
}

// self is the address of this key server in a group, and its number; 1 where it is alone.
func self(s *control.Snapshot, g *control.KSGroup) (string, int) {
	if c := g.Coop; c != nil {
		return c.Address, c.ID
	}
	return host(s.Local), 1
}

func (all policiesOf) print(p *page) {
	p.line(0, "Key Server Policy:")
	for i := range all {
		if i > 0 {
			p.blank()
		}
		all[i].print(p)
	}
}

// oneWord writes a name as parsers read it: letters, digits and _.
func oneWord(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '_'
	}, cmp.Or(name, none))
}

// two prints two fields on a line.
func (p *page) two(label string, value any, label2 string, value2 any) {
	p.line(4, "%-19s: %-13v %-22s: %v", label, value, label2, value2)
}

func (b *PolicyOf) print(p *page) {
	p.line(0, "For group %s (handle: %d) server %s (handle: %d):", b.Group, b.Handle, b.Server, b.Number)
	p.blank()
	p.line(2, "# of teks : %d  Seq num : %d", len(b.TEKs), b.Seq)
	if k := b.KEK; k != nil {
		p.line(2, "KEK POLICY (transport type : %s)", b.Transport)
		p.line(4, "spi : %s", k.SPI)
		p.two("management alg", "disabled", "encrypt alg", k.Algorithm)
		p.two("crypto iv length", k.IV, "key size", k.Key)
		p.two("orig life(sec)", k.Life, "remaining life(sec)", k.Left)
		p.line(4, "time to rekey (sec): %d", k.ToRekey)
		p.two("sig hash algorithm", "enabled", "sig key length", k.SigKey)
		p.field(4, 19, "sig size", k.SigSize)
		p.field(4, 19, "sig key name", oneWord(k.SigName))
		p.field(4, 19, "acknowledgement", k.Ack)
	}
	for i := range b.TEKs {
		p.blank()
		b.TEKs[i].print(p)
	}
}

func (t *KSTEK) print(p *page) {
	toRekey := "n/a"
	if t.ToRekey != nil {
		toRekey = strconv.Itoa(*t.ToRekey)
	}
	p.line(2, "TEK POLICY (encaps : %s)", t.Encaps)
	p.field(4, 19, "spi", t.SPI)
	p.field(4, 19, "access-list", t.ACL)
	p.field(4, 19, "transform", t.Transform)
	p.two("alg key size", t.Key, "sig key size", t.Sig)
	p.two("orig life(sec)", t.Life, "remaining life(sec)", t.Left)
	p.two("tek life(sec)", t.Life, "elapsed time(sec)", t.Elapsed)
	p.two("override life(sec)", 0, "antireplay window size", t.Window)
	p.line(4, "time to rekey (sec): %s", toRekey)
}
