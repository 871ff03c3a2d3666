package keyserver

import (
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi/push"
)

// TestForeseePresent: what is foreseen counts neither members that have left nor those that wait to be excluded, although they are
// on the list, and the answer of the command itself counts as they do.
func TestForeseePresent(t *testing.T) {
	s := newShell(t, testConfig(t))
	for i := range byte(5) {
		s.mustRegister(testPeer(i + 1))
	}
	kek := push.DeleteKEK(s.g.keks[0].spi)
	s.do(s.g.Leaves(s.now, testPeer(1), &kek, nil))
	s.g.custody.excluding, s.g.custody.recutAt = []*member{s.g.members.find(testPeer(2).Identity)}, s.now.Mono
	check := func(what string, f Foresight, err error, want string) {
		t.Helper()
		if err != nil || !strings.Contains(f.Text, want) {
			t.Errorf("%s: %q %v, want %q", what, f.Text, err, want)
		}
	}
	f, err := s.g.ForeseeRekey(s.now, false)
	check("rekey", f, err, "for 3 members")
	f, err = s.g.ForeseeClearAll(s.now, false)
	check("clear all", f, err, "all 3 members would")
	f, err = s.g.ForeseeClearAll(s.now, true)
	check("clear all at once", f, err, "; 3 members would")
	f, err = s.g.ForeseeRemove(s.now, []string{testPeer(3).Identity}, false)
	check("remove", f, err, "; 2 others would")
	f, err = s.g.ForeseeRemove(s.now, []string{testPeer(1).Identity, testPeer(3).Identity}, false) // the first has left
	check("remove two", f, err, "; 2 others would")
	text, out, err := s.g.ClearAll(s.now, true, nil)
	check("cleared all", Foresight{Text: text}, err, "withdrawn, 3 members")
	s.do(out)
}
