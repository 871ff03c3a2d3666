package driver

import (
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/scenario"
)

// A program that is not there is missed before anything of a lab is made, with what brings it.
func TestFindService(t *testing.T) {
	if path, err := FindService("shell", scenario.Service{Binary: "sh"}); err != nil || !strings.HasSuffix(path, "/sh") {
		t.Errorf("%q %v", path, err)
	}
	for v, want := range map[string]string{"": "install it", "bird2": "apt-get install bird2"} {
		_, err := FindService("routing", scenario.Service{Binary: "no-such-program", Package: v})
		if err == nil || !strings.Contains(err.Error(), "service routing: no-such-program is neither in PATH nor in /usr/sbin: "+want) {
			t.Errorf("%v", err)
		}
	}
}
