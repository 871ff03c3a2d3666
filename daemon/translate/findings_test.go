package translate

import (
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// TestFindingsStandAtTheirRules: of several access lists, too, of which consoles see one.
func TestFindingsStandAtTheirRules(t *testing.T) {
	list := func(rules ...string) policy.List {
		l, err := policy.ParseList(strings.Join(rules, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	c := &config.KS{Groups: []config.KSGroup{{Lists: []config.AccessList{
		{SA: "voice", Rules: list("permit udp 10.0.0.0/8 10.0.0.0/8")},
		{SA: "rest", Rules: list("permit ip 10.0.0.0/8 10.0.0.0/8", "permit tcp 10.1.0.0/16 10.0.0.0/8", "permit udp 10.1.0.0/16 10.0.0.0/8")},
	}}}}
	c.Groups[0].Name = "blue"
	var cache Lint
	found := cache.of(c)["blue"]
	rules := make([]control.Rule, 4)
	mark(rules, &c.Groups[0], found)
	by := func(i int) []int {
		for _, f := range rules[i].Findings {
			if f.Code == control.FindingUnreachable {
				return f.By
			}
		}
		return nil
	}
	if by(0) != nil || by(1) != nil || !slices.Equal(by(2), []int{2}) || !slices.Equal(by(3), []int{1}) {
		t.Errorf("%+v", rules)
	}
	c.Groups[0].Lists[1].Rules = nil
	if again := cache.of(c)["blue"]; len(again) != len(found) {
		t.Error("found twice for one configuration")
	}
	c.Groups = slices.Clone(c.Groups)
	if again := cache.of(c)["blue"]; len(again) == len(found) {
		t.Error("not found again for another one")
	}
}
