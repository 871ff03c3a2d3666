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
		"rekey 99999999999": "rekey 99999999999", "SPI 131076": "SPI 131076",
	} {
		if got := spoken(text); got != want {
			t.Errorf("%q reads %q, want %q", text, got, want)
		}
	}
}
