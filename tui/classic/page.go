package classic

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// page is text that grows by lines.
type page struct{ b strings.Builder }

// Text is the answer as a device prints it.
func Text(a Answer) string {
	p := &page{}
	a.print(p)
	return p.b.String()
}

// line adds a line, so far from the left.
func (p *page) line(depth int, format string, args ...any) {
	text := strings.TrimRight(strings.Repeat(" ", depth)+fmt.Sprintf(format, args...), " ")
	p.b.WriteString(text)
	p.b.WriteByte('\n')
}

func (p *page) blank() { p.b.WriteByte('\n') }

// field adds "label : value", the colons of a block below each other.
func (p *page) field(depth, width int, label string, value any) {
	p.line(depth, "%-*s: %v", width, label, value)
}

// none is how devices print that there is nothing.
const none = "none"

// title is a word with its first letter large.
func title(word string) string {
	if word == "" {
		return "Unknown"
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

// host drops the port of an address; noAddress if there is none.
func host(addr string) string {
	h, _ := hostPort(addr)
	return h
}

const (
	noAddress = "0.0.0.0"
	gdoiPort  = "848"
)

// hostPort divides an address; without a port it is that of GDOI. Of a list it takes the first.
func hostPort(addr string) (string, string) {
	addr, _, _ = strings.Cut(strings.TrimSpace(addr), ",")
	if addr, _, _ = strings.Cut(addr, " "); addr == "" {
		return noAddress, gdoiPort
	}
	if h, p, err := net.SplitHostPort(addr); err == nil {
		return h, p
	}
	return addr, gdoiPort
}

// path is ipv4 or ipv6.
func path(addr string) string {
	if a, err := netip.ParseAddr(addr); err == nil && a.Unmap().Is6() {
		return "ipv6"
	}
	return "ipv4"
}

// until is how many seconds are left; 0 if it has passed, or never was.
func until(now, at time.Time) int {
	if at.IsZero() || at.Before(now) {
		return 0
	}
	return int(at.Sub(now).Round(time.Second) / time.Second)
}

// clock is hh:mm:ss since at.
func clock(now, at time.Time) string {
	d := time.Duration(0)
	if !at.IsZero() && now.After(at) {
		d = now.Sub(at).Round(time.Second)
	}
	return fmt.Sprintf("%02d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}

// direction is the mode of a group in words of devices.
func direction(mode string) string {
	switch mode {
	case "receive-only":
		return "Inbound Only"
	case "passive":
		return "Inbound Optional"
	}
	return "Both"
}

// acknowledgement is how members answer rekeys: by RFC 8263, or not at all.
func acknowledgement(kind string) string {
	if kind == "" || kind == none {
		return "None"
	}
	return "Interoperable"
}
