package control

import (
	"fmt"
	"strings"
)

// String is the custody for a terminal, one fact a line.
func (c *Custody) String() string {
	var b strings.Builder
	line := func(head, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s "+format+"\n", append([]any{head}, args...)...)
	}
	state := "ready"
	if !c.Ready {
		state = "NOT READY: " + c.Problem
	}
	line("custody", "%s: %s", c.Backend, state)
	if !c.Since.IsZero() {
		line("since", "%s", c.Since.Local().Format("2006-01-02 15:04:05"))
	}
	line("token", "%s", c.URI)
	if c.Model != "" {
		line("model", "%s", strings.TrimSpace(c.Model+" "+c.Firmware))
	}
	if c.KEKs != "" {
		line("keks", "%s", map[string]string{CustodyToken: "in the token", CustodyProcess: "in the memory of the process"}[c.KEKs])
	}
	if c.Notice != "" {
		line("notice", "%s", c.Notice)
	}
	for _, d := range c.Degraded {
		line("degraded", "%s", d)
	}
	q := c.Queue
	line("queue", "%d calls, %d in %d sessions, %d of %d wait; %d refused, %d abandoned, %d logins again", q.Calls, q.Busy, q.Sessions, q.Waiting, q.Limit, q.Refused, q.Abandoned, q.Reopened)
	for _, l := range c.Latency {
		line("latency", "%-8s %6d calls, mean %.1f ms, p99 %.1f ms, max %.1f ms, %d failed", l.Operation, l.Count, l.Mean, l.P99, l.Max, l.Failed)
	}
	for _, s := range c.Signatures {
		line("signature", "%s", s.text())
	}
	for _, k := range c.Keys {
		line("key", "%s", k.text())
	}
	if c.KeysProblem != "" {
		line("key", "the list could not be read: %s", c.KeysProblem)
	}
	for _, f := range c.Findings {
		line("probe", "%-34s %-8s %s", f.Mechanism, f.Verdict, f.Detail)
	}
	return b.String()
}

func (s *CustodySigning) text() string {
	text := fmt.Sprintf("group %s: %s", s.Group, s.Key)
	if s.Next != "" {
		text += "; next is " + s.Next + ", as soon as the members trust it"
	}
	if len(s.Retiring) > 0 {
		text += "; to be destroyed: " + strings.Join(s.Retiring, ", ")
	}
	return text
}

func (k *CustodyKey) text() string {
	if k.Problem != "" {
		return fmt.Sprintf("%-20s NOT USED: %s", k.Name, k.Problem)
	}
	text := fmt.Sprintf("%-20s %-8s %s", k.Name, k.Kind, k.Use)
	if k.Movable {
		text += ", movable"
	}
	if k.Born {
		text += ", made here, has never been able to leave"
	}
	return text
}
