package classic

import (
	"strconv"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
)

// GroupBlock is a group as "show gdoi" prints it: of a member, or of a key server.
type GroupBlock struct {
	Name       string   `json:"group_name"`
	Identity   string   `json:"group_identity"`
	Type       string   `json:"group_type"`
	CryptoPath string   `json:"crypto_path"`
	KeyPath    string   `json:"key_management_path"`
	Direction  string   `json:"ipsec_sa_direction"`
	Servers    []string `json:"group_server_list"`

	Member *MemberOfGroup `json:"member,omitempty"`
	Server *ServerOfGroup `json:"key_server,omitempty"`
}

// MemberOfGroup is what only a member has.
type MemberOfGroup struct {
	GMBlock
	Total     uint64     `json:"rekeys_received"`
	Since     uint64     `json:"rekeys_after_latest_register"`
	KeyServer string     `json:"acl_downloaded_from_ks"`
	ACL       []string   `json:"acl_list"`
	KEK       *GMKEK     `json:"kek_policy,omitempty"`
	Interface string     `json:"interface"`
	TEKs      []GMTEK    `json:"tek_policy"`
	Replay    ReplayKind `json:"anti_replay"`
}

// GMKEK is the KEK of a member.
type GMKEK struct {
	Transport string `json:"rekey_transport_type"`
	Lifetime  int    `json:"lifetime"` // seconds left
	Algorithm string `json:"encrypt_algorithm"`
	Bits      int    `json:"key_size"`
	Hash      string `json:"sig_hash_algorithm"`
	SigBits   int    `json:"sig_key_length"`
}

// GMTEK is a TEK of a member.
type GMTEK struct {
	SPI       string `json:"spi"` // hexadecimal
	Transform string `json:"transform"`
	Remaining int    `json:"sa_remaining_key_lifetime"` // seconds
	Key       int    `json:"alg_key_size_bytes"`
	Sig       int    `json:"sig_key_size_bytes"`
	Encaps    string `json:"encaps"`
	Phase     string `json:"phase"` // in our own words: waiting, sending, draining
}

// ReplayKind is how repeated packets are kept out.
type ReplayKind struct {
	Method string `json:"method"` // Time or Counter
	Window int    `json:"window"` // seconds, or sequence numbers
}

type groupBlocks []GroupBlock

// gdoiType is the only one there is here; others have "G-IKEv2 (IKEv2)" as well.
const gdoiType = "GDOI (ISAKMP)"

func gdoi(s *control.Snapshot, q Query) Answer {
	if s.KS != nil {
		return groupBlocks(eachKS(s, q, func(i int, g *control.KSGroup) GroupBlock { return serverGroup(s, i, g) }))
	}
	return groupBlocks(eachGM(s, q, func(g *control.GMGroup) GroupBlock { return memberGroup(s, g) }))
}

func memberGroup(s *control.Snapshot, g *control.GMGroup) GroupBlock {
	b := GroupBlock{Name: g.Name, Identity: g.ID, Type: gdoiType, CryptoPath: policyPath(g.Policy), KeyPath: path(host(s.Local)), Direction: direction(g.Mode), Servers: []string{}}
	for _, a := range g.KeyServers {
		b.Servers = append(b.Servers, host(a))
	}
	m := &MemberOfGroup{GMBlock: gmBlock(s, g), Total: g.RekeysReceived, Since: g.RekeysSince, KeyServer: host(g.RegisteredWith), Interface: s.GM.DataPath.WAN, TEKs: []GMTEK{}}
	m.ACL, _ = lists(g)
	m.Replay = ReplayKind{"Counter", g.ReplayWindow}
	if g.AntiReplay.On && g.AntiReplay.Value > 0 {
		m.Replay = ReplayKind{"Time", int(g.AntiReplay.Value)}
	}
	if k := g.KEK; k != nil {
		name, octets := kekCipher(k.Suite)
		m.KEK = &GMKEK{m.Transport, k.Remaining, name, octets * 8, sigHash(k.SignatureAlg), k.SignatureKeyLen * 8}
	}
	for i := len(g.TEKs) - 1; i >= 0; i-- { // the newest first
		k := &g.TEKs[i]
		t := transformOf(k.Suite)
		m.TEKs = append(m.TEKs, GMTEK{"0x" + strings.ToUpper(k.SPI), t.name, k.Remaining, t.key, t.sig, encaps, k.Phase})
	}
	b.Member = m
	return b
}

// policyPath is ipv6 where a list speaks of nothing else.
func policyPath(rules []control.Rule) string {
	four, six := false, false
	for _, r := range rules {
		if strings.HasPrefix(r.Text, "permit") {
			is6 := strings.Contains(r.Text, ":") || strings.Contains(r.Text, "any6")
			four, six = four || !is6, six || is6
		}
	}
	if six && !four {
		return "ipv6"
	}
	return "ipv4"
}

func (all groupBlocks) print(p *page) {
	p.line(0, "GROUP INFORMATION")
	for i := range all {
		p.blank()
		all[i].print(p)
	}
}

func (b *GroupBlock) print(p *page) {
	if b.Server != nil {
		b.printServer(p)
		return
	}
	m := b.Member
	f := func(label string, value any) { p.field(4, 25, label, value) }
	f("Group Name", b.Name)
	f("Group Identity", b.Identity)
	f("Group Type", b.Type)
	f("Crypto Path", b.CryptoPath)
	f("Key Management Path", b.KeyPath)
	f("Rekeys received", m.Total)
	f("IPSec SA Direction", b.Direction)
	p.blank()
	for i, a := range b.Servers {
		if i == 0 {
			p.field(5, 24, "Group Server list", a)
		} else {
			p.line(31, "%s", a)
		}
	}
	p.blank()
	m.GMBlock.print(p)
	p.blank()
	p.line(7, "allowable rekey cipher: any")
	p.line(7, "allowable rekey hash  : any")
	p.line(7, "allowable transformtag: any ESP")
	p.blank()
	p.line(4, "Rekeys cumulative")
	p.field(7, 22, "Total received", m.Total)
	p.field(7, 22, "After latest register", m.Since)
	p.field(7, 22, "Rekey Acks sents", m.AcksSent)
	p.blank()
	p.line(1, "ACL Downloaded From KS %s:", m.KeyServer)
	printList(p, m.ACL)
	p.blank()
	m.printKeys(p)
}

func (m *MemberOfGroup) printKeys(p *page) {
	if k := m.KEK; k != nil {
		p.line(0, "KEK POLICY:")
		f := func(label string, value any) { p.field(4, 25, label, value) }
		f("Rekey Transport Type", k.Transport)
		f("Lifetime (secs)", k.Lifetime)
		f("Encrypt Algorithm", k.Algorithm)
		f("Key Size", k.Bits)
		f("Sig Hash Algorithm", k.Hash)
		f("Sig Key Length (bits)", k.SigBits)
		p.blank()
	}
	p.line(0, "TEK POLICY for the current KS-Policy ACEs Downloaded:")
	p.line(2, "%s:", m.Interface)
	for i := range m.TEKs {
		m.TEKs[i].print(p, m.Replay)
	}
	p.blank()
	for _, what := range []string{"KGS POLICY:", "P2P POLICY:"} {
		p.line(0, "%s", what)
		p.line(2, "REG_GM: local_addr %s", m.LocalAddr)
		if what[0] == 'K' {
			p.blank()
		}
	}
}

func (t *GMTEK) print(p *page, r ReplayKind) {
	spi, _ := strconv.ParseUint(t.SPI[2:], 16, 32)
	p.line(4, "IPsec SA:")
	p.line(8, "spi: %s(%d)", t.SPI, spi)
	p.line(8, "transform: %s", t.Transform)
	p.line(8, "sa timing:remaining key lifetime (sec): (%d)", t.Remaining)
	if r.Method == "Time" {
		p.line(8, "Anti-Replay(Time Based) : %d sec interval", r.Window)
	} else {
		p.line(8, "Anti-Replay(Counter Based) : %d", r.Window)
	}
	p.line(8, "tag method : disabled")
	p.line(8, "alg key size: %d (bytes)", t.Key)
	p.line(8, "sig key size: %d (bytes)", t.Sig)
	p.line(8, "encaps: %s", t.Encaps)
	p.blank()
}
