package coop

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// samples has a message of each kind.
func samples() []Message {
	records := []machine.Record{{Key: "tek/1", Value: []byte{1, 2}}, {Key: "gone"}, {Key: "empty", Value: []byte{}}}
	return []Message{
		&Status{
			From: 3, Priority: 100, Role: Primary, Ready: true, Eligible: true, Primary: 3, Term: 18, Has: Version{18, 7}, Sees: 5, Epoch: 9, Members: 12,
			Digest: [32]byte{1, 31: 2}, Ask: 0x01020304, Answer: 0x05060708, Time: 0x1020304050607080, Software: "getvpn 1",
		},
		&Status{From: 1, Primary: 2},
		&Key{DER: []byte{0x30, 0}},
		&Policy{Digest: [32]byte{7}, Lines: []string{"permit ip any any", ""}},
		&Join{Term: 18, Have: Version{9, 1}, Records: records},
		&State{Term: 18, From: 3, To: 7, Records: records},
		&State{Term: 18, To: 7, Full: true, Records: []machine.Record{}},
		&Have{Version{18, 7}},
		&Report{18, 2, records},
		&Reported{18, 2},
		&Rejoin{18},
		&Broken{18, "no room"},
		&Handover{18},
		&Transport{Key: []byte{1, 0x30, 0}},
	}
}

func TestMessagesComeBack(t *testing.T) {
	for _, m := range samples() {
		b := Encode("1234", m)
		group, got, err := Decode(b)
		if err != nil || group != "1234" {
			t.Errorf("%T: %q, %v", m, group, err)
			continue
		}
		if j, ok := got.(*Join); ok && j.Records[1].Value != nil {
			t.Error("a deletion came back as something else")
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("sent %+v, got %+v", m, got)
		}
		for n := range b {
			if _, _, err := Decode(b[:n]); err == nil {
				t.Errorf("%T: %d of %d octets are taken for a message", m, n, len(b))
			}
		}
		if _, _, err := Decode(append(b, 0)); err == nil {
			t.Errorf("%T: an octet too many is taken", m)
		}
	}
}

// TestOctets pins the octets of two messages.
func TestOctets(t *testing.T) {
	for _, c := range []struct {
		m    Message
		want string
	}{
		{&Have{Version{18, 7}}, "01" + "06" + "04" + "31323334" + "0000000000000012" + "0000000000000007"},
		{samples()[5], "01" + "05" + "04" + "31323334" + "0000000000000012" + "0000000000000003" + "0000000000000007" + "00" + "00000003" +
			"0005" + "74656b2f31" + "00000003" + "0102" + "0004" + "676f6e65" + "00000000" + "0005" + "656d707479" + "00000001"},
		{samples()[0], "01" + "01" + "04" + "31323334" + "03" + "07" + "03" + "05" + "0064" + "0000000000000012" + "0000000000000012" + "0000000000000007" +
			"0000000000000009" + "0000000c" + "01000000000000000000000000000000" + "00000000000000000000000000000002" + "01020304" + "05060708" + "1020304050607080" + "0008" + "67657476706e2031"},
	} {
		if got := hex.EncodeToString(Encode("1234", c.m)); got != c.want {
			t.Errorf("%T\n%s; want\n%s", c.m, got, c.want)
		}
	}
}

func TestMalformed(t *testing.T) {
	status := func(change func([]byte)) []byte {
		b := Encode("1234", samples()[0])
		change(b[7:])
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":                           nil,
		"another version":                   {2, 1, 0},
		"unknown kind":                      {1, 99, 0},
		"no key server has this number":     status(func(b []byte) { b[0] = 9 }),
		"a number of zero":                  status(func(b []byte) { b[0] = 0 }),
		"unknown flag":                      status(func(b []byte) { b[1] |= 8 }),
		"a primary that follows another":    status(func(b []byte) { b[2] = 1 }),
		"a term beyond all terms":           status(func(b []byte) { b[6] = 0xff }),
		"a time beyond all times":           status(func(b []byte) { b[len(b)-18] = 0x80 }),
		"a control character":               status(func(b []byte) { b[len(b)-1] = 7 }),
		"more records than octets":          append(Encode("", &Report{})[:19], 0xff, 0xff, 0xff, 0xff),
		"a state that ends before it began": Encode("", &State{From: 2, To: 1}),
		"an empty key":                      Encode("", &Key{}),
	} {
		if _, m, err := Decode(b); err == nil {
			t.Errorf("%s: taken as %+v", name, m)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range samples() {
		f.Add(Encode("1234", m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		group, m, err := Decode(b)
		if err != nil {
			return
		}
		if again := Encode(group, m); !bytes.Equal(again, b) {
			t.Errorf("%x was taken, but is %x", b, again)
		}
	})
}

func TestDiffLines(t *testing.T) {
	for _, c := range []struct{ theirs, ours, want []string }{
		{[]string{"a", "b"}, []string{"a", "b"}, []string{}},
		{[]string{"a", "b"}, []string{"b", "a"}, []string{"- a", "+ a"}},
		{nil, []string{"a"}, []string{"+ a"}},
		{[]string{"a"}, nil, []string{"- a"}},
		{[]string{`sa "" rule a`}, []string{`sa "x" rule a`}, []string{"- rule a", `+ sa "x" rule a`}},
		{[]string{"a", "x", "c"}, []string{"a", "y", "c"}, []string{"- x", "+ y"}},
	} {
		if got := diffLines(c.theirs, c.ours); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q to %q: %q; want %q", c.theirs, c.ours, got, c.want)
		}
	}
}
