package pull

import (
	"crypto/elliptic"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi/isakmp"
)

var update = flag.Bool("update", false, "rewrite testdata/transcript.txt")

// TestTranscript pins what is encrypted in an exchange with fixed randomness, so that a change of the wire format
// shows. The HASH is blanked: it depends on phase 1.
func TestTranscript(t *testing.T) {
	gmS, ksS := phase1(t, seededEnv(1), seededEnv(2), nil)
	v := newConversation(t, seededEnv(3), seededEnv(4), gmS, ksS, 2)
	v.run()
	v.complete()
	x := gmS.Exchange(v.gm.MessageID())
	var b strings.Builder
	b.WriteString("# The plaintexts of one PULL with the randomness of seededEnv, HASH blanked. Made by go test -update.\n")
	for i, m := range v.sent {
		_, plain, err := x.Open(m)
		if err != nil {
			t.Fatal(err)
		}
		x.Commit()
		clear(plain[4:36])
		fmt.Fprintf(&b, "message%d %s\n", i+1, hex.EncodeToString(plain))
	}
	const file = "testdata/transcript.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the transcript differs from %s; if that is meant, run with -update\n%s", file, b.String())
	}
}

func FuzzParseOffer(f *testing.F) {
	o := testOffer(f)
	f.Add(o.SA(true).AppendBody(nil), o.KD(true).AppendBody(nil))
	f.Add(o.SA(false).AppendBody(nil), o.KD(false).AppendBody(nil))
	signedBy(f, o.KEK, elliptic.P256())
	f.Add(o.SA(true).AppendBody(nil), o.KD(true).AppendBody(nil))
	signedBy(f, o.KEK, elliptic.P384())
	f.Add(o.SA(true).AppendBody(nil), o.KD(true).AppendBody(nil))
	ref := fixture(f, "testdata/reference.txt")
	f.Add(ref["sa"], ref["kd"])
	f.Fuzz(func(t *testing.T, saBody, kdBody []byte) {
		sa, err := isakmp.ParseSAGDOI(saBody)
		if err != nil {
			return
		}
		kd, err := isakmp.ParseKD(kdBody)
		if err != nil {
			return
		}
		o, err := ParseOffer(sa, kd, nil)
		if err != nil {
			return
		}
		// What was accepted can be said again, and means the same.
		text := encoded(o)
		again, err := ParseOffer(o.SA(true), o.KD(true), nil)
		if err != nil || encoded(again) != text {
			t.Fatalf("%s\n%v", text, err)
		}
	})
}
