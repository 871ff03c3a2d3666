package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi/policy"
)

const policyFile = `name: ks1
listen: 172.16.0.1
control: c
state: s
identity: {address: 172.16.0.1}
pre-shared-keys: []
groups:
  - name: red
    id: 1
    authorise: [{address: 172.16.0.0/16}]
    policy:
      - deny udp any eq 848 any eq 848
      - deny tcp any any eq 22
      - permit ip 10.1.0.0/16 10.1.0.0/16
      - permit tcp 10.1.1.0/24 10.1.3.0/24
  - name: green
    id: 2
    authorise: [{address: 172.16.0.0/16}]
    policy: ["deny udp any eq 848 any eq 848", "permit ip 10.0.0.0/8 232.0.0.0/8",
             "permit udp 10.0.0.0/8 10.0.0.0/8"]
    tek: {suite: aes-128-gcm}
`

func load1(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExplainSAs: the SA whose rule matches first protects the packet, with its own suite; a deny of an earlier one hides it.
func TestExplainSAs(t *testing.T) {
	text, _, _ := strings.Cut(policyFile, "groups:")
	c, err := LoadKS(load1(t, "ks.yml", text+`groups:
  - name: blue
    id: 1
    authorise: [{address: 172.16.0.0/16}]
    sas:
      - name: voice
        match: ["deny udp any eq 848 any eq 848", "permit udp 10.1.0.0/16 10.1.0.0/16"]
        tek: {suite: aes-128-gcm}
      - name: rest
        match:
          - permit ip 10.1.0.0/16 10.1.0.0/16
`))
	if err != nil {
		t.Fatal(err)
	}
	c.File = "ks.yml"
	for packet, want := range map[string]string{
		"udp 10.1.0.1:1 > 10.1.0.2:2": `group blue: encrypted with aes-128-gcm, SA voice
  decided by  rule 2 of voice: permit udp 10.1.0.0/16 10.1.0.0/16  (ks.yml:13)
  hidden      rule 1 of rest: permit ip 10.1.0.0/16 10.1.0.0/16  (ks.yml:17)
`,
		"udp 10.1.0.1:848 > 10.1.0.2:848": `group blue: clear
  decided by  rule 1 of voice: deny udp any eq 848 any eq 848  (ks.yml:13)
  hidden      rule 2 of voice: permit udp 10.1.0.0/16 10.1.0.0/16  (ks.yml:13)
  hidden      rule 1 of rest: permit ip 10.1.0.0/16 10.1.0.0/16  (ks.yml:17)
`,
		"icmp 10.1.0.1 > 10.1.0.2": `group blue: encrypted with aes-256-gcm, SA rest
  decided by  rule 1 of rest: permit ip 10.1.0.0/16 10.1.0.0/16  (ks.yml:17)
`,
	} {
		p, err := policy.ParsePacket(packet)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Explain(p).String(); got != packet+"\n"+want {
			t.Errorf("got\n%swant\n%s\n%s", got, packet, want)
		}
	}
}

// TestLintPlaces: findings stand at the rules that they are about.
func TestLintPlaces(t *testing.T) {
	path := load1(t, "ks.yml", policyFile)
	c, err := LoadKS(path)
	if err != nil {
		t.Fatal(err)
	}
	all := append(append([]string{}, c.Warnings...), c.Hints...)
	for _, want := range []string{
		"ks.yml:15:9: permit tcp 10.1.1.0/24 10.1.3.0/24 is never reached: rule 3",
		"ks.yml:13:9: deny tcp any any eq 22 clears one direction only",
		"ks.yml:20:14: permit udp 10.0.0.0/8 10.0.0.0/8 and permit ip 10.1.0.0/16 10.1.0.0/16 of group red encrypt the same traffic",
		"ks.yml:14:9: permit ip 10.1.0.0/16 10.1.0.0/16 encrypts OSPF",
	} {
		found := false
		for _, w := range all {
			found = found || strings.Contains(w, want)
		}
		if !found {
			t.Errorf("no %q in\n%s", want, strings.Join(all, "\n"))
		}
	}
}

func TestExplain(t *testing.T) {
	c, err := LoadKS(load1(t, "ks.yml", policyFile))
	if err != nil {
		t.Fatal(err)
	}
	c.File = "ks.yml"
	g, err := LoadGM(load1(t, "gm.yml", `name: gm1
local: 172.16.0.2
control: c
state: s
identity: {address: 172.16.0.2}
interfaces: {wan: w}
groups:
  - name: red
    id: 1
    key-servers: [{address: 172.16.0.1, secret: 0123456789abcdef}]
    protect: [10.1.0.0/16]
    clear:
      - deny tcp any any eq 22
`))
	if err != nil {
		t.Fatal(err)
	}
	g.File = "gm.yml"
	for _, row := range []struct {
		packet string
		by     interface {
			Explain(policy.Packet) Explanation
		}
		want string
	}{
		{"tcp 10.1.1.10:40000 > 10.1.3.10:22", c, `tcp 10.1.1.10:40000 > 10.1.3.10:22
group red: clear
  decided by  rule 2: deny tcp any any eq 22  (ks.yml:13)
  hidden      rule 3: permit ip 10.1.0.0/16 10.1.0.0/16  (ks.yml:14)
  hidden      rule 4: permit tcp 10.1.1.0/24 10.1.3.0/24  (ks.yml:15)
group green: clear
  no rule matches, and what no rule matches goes in clear
`},
		{"udp 10.1.1.10:1 > 10.1.3.10:2", c, `udp 10.1.1.10:1 > 10.1.3.10:2
group red: encrypted with aes-256-gcm
  decided by  rule 3: permit ip 10.1.0.0/16 10.1.0.0/16  (ks.yml:14)
group green: encrypted with aes-128-gcm
  decided by  rule 3: permit udp 10.0.0.0/8 10.0.0.0/8  (ks.yml:20)
`},
		{"tcp 10.1.1.10:40000 > 10.1.3.10:22", g, `tcp 10.1.1.10:40000 > 10.1.3.10:22
group red: clear
  decided by  rule 1: deny tcp any any eq 22  (gm.yml:13)
`},
		{"icmp 10.1.1.10 > 10.1.3.10", g, `icmp 10.1.1.10 > 10.1.3.10
group red: undecided
  no local rule matches: the group's policy decides; ask its key server (getvpn-ks --explain)
`},
	} {
		p, err := policy.ParsePacket(row.packet)
		if err != nil {
			t.Fatal(err)
		}
		e := row.by.Explain(p)
		if got := e.String(); got != row.want {
			t.Errorf("got\n%swant\n%s", got, row.want)
		}
		text, err := json.Marshal(e)
		var again Explanation
		if err != nil || json.Unmarshal(text, &again) != nil || again.String() != row.want {
			t.Errorf("JSON does not say the same: %s %v", text, err)
		}
	}
}
