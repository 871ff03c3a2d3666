package control

import "testing"

func TestMemberAddress(t *testing.T) {
	for _, c := range []struct{ local, with, want string }{
		{"10.1.0.1:848", "10.0.0.1:848", "10.1.0.1"},
		{"[2001:db8::1]:848", "[2001:db8::2]:848", "2001:db8::1"},
		{"10.1.0.1:848, [2001:db8::1]:848", "[2001:db8::2]:848", "2001:db8::1"},
		{"10.1.0.1:848, [2001:db8::1]:848", "10.0.0.1:848", "10.1.0.1"},
		{"10.1.0.1:848, [2001:db8::1]:848", "", "10.1.0.1"},
		{"[2001:db8::1]:848", "10.0.0.1:848", "2001:db8::1"},
		{"", "", ""},
	} {
		s := &Snapshot{Local: c.local, GM: &GroupMember{Groups: []GMGroup{{Name: "red", RegisteredWith: "[::1]:1"}, {Name: "blue", RegisteredWith: c.with}}}}
		if got := s.MemberAddress("blue"); got != c.want {
			t.Errorf("%s, registered with %s: %q, want %q", c.local, c.with, got, c.want)
		}
	}
}
