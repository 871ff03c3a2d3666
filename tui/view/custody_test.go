package view

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// TestCustodySaysWhatIsWrong: whoever looks sees which token is gone, for how long, and what does not work without it.
func TestCustodySaysWhatIsWrong(t *testing.T) {
	f := frame(t, sourcetest.Custody())
	f.Width, f.Height = 132, 60
	text := ansi.Strip(strings.Join(drawn(Custody{}, f), "\n"))
	for _, want := range []string{
		"1 of 3 as they should be", "ks1  ● ready", "ks2  × lost 00:42", "× no token matches pkcs11:token=ks2", "▲ no rekey is signed",
		"ks3  ▲ files", "▲ keys in plain files are in no custody", "▲ rotated out, to be destroyed", "● signs for blue", "born here, stays", "leaves wrapped",
		"▲ group blue: rekey-blue.2 signs; rekey-blue goes when its last KEK has ended", "sign     1204",
		"× probe wrong: AES KEY WRAP PAD (0x210A)", "● probe works: ECDSA",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	f.Fleet.Nodes[0].Connected = false
	if text := ansi.Strip(strings.Join(drawn(Custody{}, f), "\n")); !strings.Contains(text, "ks1  × down") {
		t.Errorf("a key server that is down says that its token is ready:\n%s", text)
	}
}

// TestCustodyWidths: no line is wider than the screen, and what is wrong is not cut.
func TestCustodyWidths(t *testing.T) {
	for _, w := range []int{60, 80, 100, 200} {
		f := frame(t, sourcetest.Custody())
		f.Width, f.Height = w, 60
		lines := drawn(Custody{}, f)
		for _, l := range lines {
			if ansi.StringWidth(l) > w {
				t.Errorf("at %d columns this has %d: %q", w, ansi.StringWidth(l), ansi.Strip(l))
			}
		}
		words := strings.Join(strings.Fields(ansi.Strip(strings.Join(lines, " "))), " ")
		if !strings.Contains(words, "libsofthsm2.so, which has 0: none") {
			t.Errorf("at %d columns the reason is cut:\n%s", w, words)
		}
	}
}

func TestHistogram(t *testing.T) {
	buckets := make([]uint64, len(control.CustodyBounds)+1)
	buckets[0], buckets[2], buckets[12] = 1000, 500, 1
	if got := histogram(buckets); got != "▇▇··▄▄··················▁▁" {
		t.Errorf("the buckets are drawn as %q", got)
	}
	if got := histogramScale(); got != "1     10    100   1s  5s  " {
		t.Errorf("the scale is %q", got)
	}
}

func TestCustodyData(t *testing.T) {
	b, err := json.Marshal(Custody{}.Data(sourcetest.Custody(), "blue"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Custodies []NodeCustody }
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Custodies) != 3 || got.Custodies[1].Node != "ks2" || got.Custodies[1].Ready || !got.Custodies[0].Answers || len(got.Custodies[0].Keys) != 6 {
		t.Errorf("the data is %s", b)
	}
	if b, _ := json.Marshal(Custody{}.Data(sourcetest.Custody(), "green")); string(b) != `{"custodies":[]}` {
		t.Errorf("of a group that is not here: %s", b)
	}
}
