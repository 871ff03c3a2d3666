package compose

import "testing"

// TestLastLine: why a client of the engine failed, whatever it ends with.
func TestLastLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"no such image":            "no such image",
		"pulling\nno such image\n": "no such image",
		"Error response from daemon: network x has active endpoints\nexit status 1\n": "Error response from daemon: network x has active endpoints",
		"exit status 1\n": "exit status 1",
	} {
		if got := lastLine(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
