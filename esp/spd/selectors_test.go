package spd_test

import (
	"errors"
	"testing"

	"github.com/getvpn/getvpn/esp/spd"
)

func TestClassesAndReceiveOnly(t *testing.T) {
	blue := spd.Group{Name: "blue", Registered: true, Rules: []spd.Rule{
		rule(spd.Permit, 17, "10.0.0.0/8", "10.0.0.0/8"), rule(spd.Deny, 1, "0.0.0.0/0", "0.0.0.0/0"), ten,
	}, Classes: []uint32{70, 0, 90}}
	quiet := blue
	quiet.ReceiveOnly = true
	all := spd.Group{Name: "all", Registered: true, Rules: []spd.Rule{rule(spd.Permit, 0, "0.0.0.0/0", "0.0.0.0/0")}, Classes: []uint32{5}}
	lost := quiet
	lost.Registered = false
	for _, row := range []struct {
		name   string
		groups []spd.Group
		proto  uint8
		want   spd.Outcome
		class  uint32
	}{
		{"first rule", []spd.Group{blue}, 17, spd.Protect, 70},
		{"third rule", []spd.Group{blue}, 47, spd.Protect, 90},
		{"denied, next group", []spd.Group{blue, all}, 1, spd.Protect, 5},
		{"receive only", []spd.Group{quiet}, 17, spd.Clear, 70},
		{"receive only, but another group protects", []spd.Group{quiet, all}, 17, spd.Protect, 5},
		{"receive only, keys lost", []spd.Group{lost}, 17, spd.Clear, 70},
	} {
		f := flow(row.proto, "10.1.0.1", "10.2.0.1")
		x := table(t, row.groups...)
		if v := x.Lookup(&f); v.Outcome != row.want || x.Class(v) != row.class {
			t.Errorf("%s: %+v", row.name, v)
		}
	}
	blue.Classes = []uint32{1}
	if _, err := spd.New([]spd.Group{blue}, nil); !errors.Is(err, spd.ErrRule) {
		t.Errorf("three rules, one class: %v", err)
	}
}

func TestSelectors(t *testing.T) {
	x := table(t, spd.Group{Name: "blue"})
	var rules []spd.Rule
	for range 20 { // long enough for the index
		rules = append(rules, withPorts(rule(spd.Permit, 17, "10.1.0.0/16", "10.2.0.0/16"), spd.AnyPort, spd.Ports{53, 53}))
	}
	var cache spd.Cache
	for _, list := range [][]spd.Rule{rules[:1], rules} {
		s, err := spd.NewSelectors(list)
		if err != nil || !s.Same(list) || s.Same(rules[:2]) {
			t.Fatal(err)
		}
		other, err := spd.NewSelectors([]spd.Rule{ten})
		if err != nil {
			t.Fatal(err)
		}
		there, back, no := flow(17, "10.1.0.1", "10.2.0.1", 9, 53), flow(17, "10.2.0.1", "10.1.0.1", 53, 9), flow(17, "10.1.0.1", "10.2.0.1", 53, 9)
		for range 2 {
			if !cache.Match(x, s, &there) || !cache.Match(x, s, &back) || cache.Match(x, s, &no) {
				t.Error("there, back, and nothing else")
			}
			if !cache.Match(x, other, &no) || cache.Permits(x, 0, &there) {
				t.Error("the cache takes one question for another")
			}
		}
	}
	if _, err := spd.NewSelectors([]spd.Rule{rule(spd.Deny, 0, "10.0.0.0/8", "10.0.0.0/8")}); !errors.Is(err, spd.ErrRule) {
		t.Errorf("a deny: %v", err)
	}
}
