package scenario

import (
	"strings"
	"testing"
)

// withTokens gives gm1 a token and a certificate.
func withTokens(hsm string) string {
	text := strings.Replace(good, "program: gm, vars: {who: me}", "program: gm, hsm: "+hsm+", vars: {who: me}", 1)
	text = strings.Replace(text, `raw: $${x}`, `pin: ${hsm.pin}\nmodule: ${hsm.module}\ntoken: ${hsm.token}`, 1)
	return strings.Replace(text, "secrets: [gm1]",
		"secrets: [gm1]\npki: {authorities: [{name: ca, key: rsa}], certificates: [{name: c1, by: ca, key: rsa}, {name: c2, by: ca, key: rsa}]}", 1)
}

func TestHSM(t *testing.T) {
	for hsm, token := range map[string]string{"{}": "pkcs11:token=gm1", "{token: my token, keys: [c1, c2]}": "pkcs11:token=my%20token"} {
		s, err := Parse("two.yaml", []byte(withTokens(hsm)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !s.HasHSM("gm1") || s.HasHSM("p1") || s.HasHSM("nobody") {
			t.Error("HasHSM")
		}
		got, err := s.Render(s.Node("gm1"), Places{Module: "/lib/softhsm.so", PIN: "/lab/pin"})
		if want := "pin: /lab/pin\nmodule: /lib/softhsm.so\ntoken: " + token + "\n"; err != nil || !strings.HasSuffix(got, want) {
			t.Errorf("got %q, %v\nwant %q at its end", got, err, want)
		}
	}
	for hsm, want := range map[string]string{
		"{pin: secret}":               "two.yaml:12:46: unknown key \"pin\"",
		"{token: a/b}":                `node gm1: hsm: token "a/b"`,
		"{keys: [c3]}":                `node gm1: hsm: keys: pki: has no certificate "c3"`,
		"{keys: [c1, c1]}":            "that of c1 moves to gm1",
		"{}, outsider: true, hsm: {}": "two.yaml:12:65: ",
		"{}, ke: 1":                   "two.yaml:12:49: unknown key \"ke\"",
		"{token: " + strings.Repeat("a", 33) + "}": "up to 32",
	} {
		if _, err := Parse("two.yaml", []byte(withTokens(hsm)), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", hsm, err, want)
		}
	}
	text := strings.Replace(withTokens("{}"), "name: p1, kind: core", "name: p1, kind: core, hsm: {}", 1)
	if _, err := Parse("two.yaml", []byte(text), Options{}); err == nil || !strings.Contains(err.Error(), "of no use without a program") {
		t.Errorf("a token without a program: %v", err)
	}
	// A configuration asks for a token that its node does not have.
	text = strings.Replace(withTokens("{}"), "hsm: {}, ", "", 1)
	if _, err := Parse("two.yaml", []byte(text), Options{}); err == nil || !strings.Contains(err.Error(), "${hsm.pin}, ${hsm.module}, ${hsm.token} is not known") {
		t.Errorf("no token: %v", err)
	}
}
