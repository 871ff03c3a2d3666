package view

import "testing"

// TestSequenceNumbers: the upper half of a number is the window of a key server.
func TestSequenceNumbers(t *testing.T) {
	for seq, want := range map[uint32]string{0: "0", 12: "12", 65535: "65535", 65536: "1:0", 9<<16 | 12: "9:12", 1<<32 - 1: "65535:65535"} {
		if got := seqText(seq); got != want {
			t.Errorf("%d reads %q, want %q", seq, got, want)
		}
	}
	for text, want := range map[string]string{
		"rekey 12 to 4 members": "rekey 12 to 4 members", "rekey 131076: 2 of 8 members did not acknowledge": "rekey 2:4: 2 of 8 members did not acknowledge",
		"receiving with c0ffee42, sending with it in 19.643240954s": "receiving with c0ffee42, sending with it in 19.6s",
		"1m0.049999s": "1m0s", "took 2.3456ms": "took 2.3ms", "at 172.16.1.2, 0.5s": "at 172.16.1.2, 0.5s", "version 1.25": "version 1.25",
		"rekey 99999999999": "rekey 99999999999", "SPI 131076": "SPI 131076",
	} {
		if got := spoken(text); got != want {
			t.Errorf("%q reads %q, want %q", text, got, want)
		}
	}
}
