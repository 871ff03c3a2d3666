package view

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/getvpn/getvpn/tui/widget"
)

// seqWindow is how wide a window of rekey sequence numbers is. Key servers that share a group number their rekeys in windows
// of their own, so that no number is used twice while they do not hear of each other: the upper half of a number is the
// window, and its lowest three bits say whose it is.
const (
	seqWindow  = 16
	seqServers = 8
)

// seqText is a rekey sequence number as people compare them: 12, or 9:12 for the twelfth of the ninth window. Later numbers
// are larger in both ways.
func seqText(seq uint32) string {
	if window := seq >> seqWindow; window > 0 {
		return fmt.Sprintf("%d:%d", window, seq&(1<<seqWindow-1))
	}
	return fmt.Sprint(seq)
}

// seqCell compares by the number itself; exports have it, too.
func seqCell(seq uint32) widget.Cell { return widget.Num(float64(seq), seqText(seq)) }

// seqOf adds which key server a number is of, where several share the group.
func (f *Frame) seqOf(group string, seq uint32) string {
	c := f.Fleet.Cooperation(group)
	if c == nil || seq>>seqWindow == 0 {
		return seqText(seq)
	}
	id := int(seq >> seqWindow % seqServers)
	if id == 0 {
		id = seqServers
	}
	return seqText(seq) + " of " + c.Name(id)
}

// rekeyNumber is a number of a rekey that has a window, in what a daemon says.
var rekeyNumber = regexp.MustCompile(`\brekey [0-9]{5,10}\b`)

// longTime is a duration with more digits than anybody reads.
var longTime = regexp.MustCompile(`\b([0-9]+h)?([0-9]+m)?[0-9]+\.[0-9]{3,}(s|ms|µs)\b`)

// spoken is what a daemon says, with the numbers of rekeys as the rest of the screen has them, and times rounded.
func spoken(text string) string {
	text = longTime.ReplaceAllStringFunc(text, func(s string) string {
		d, err := time.ParseDuration(s)
		if err != nil {
			return s
		}
		for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
			if d >= unit {
				return d.Round(unit / 10).String()
			}
		}
		return s
	})
	if !strings.Contains(text, "rekey ") {
		return text
	}
	return rekeyNumber.ReplaceAllStringFunc(text, func(s string) string {
		n, err := strconv.ParseUint(strings.TrimPrefix(s, "rekey "), 10, 32)
		if err != nil {
			return s
		}
		return "rekey " + seqText(uint32(n))
	})
}
