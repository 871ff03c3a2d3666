package classic

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
)

// Answer is what a device says to a command: it marshals to JSON, and prints itself.
type Answer interface{ print(p *page) }

// Query is a command with what it is limited to.
type Query struct {
	Command *Command
	Group   string // empty: all
	Member  string // an address: of "ks members"
}

// Command is one that devices have.
type Command struct {
	Words string // "ks members summary"
	Role  string // of the daemons that answer; empty: both
	Short string
	make  func(s *control.Snapshot, q Query) Answer
}

var commands = []Command{
	{"", "", "groups: of a member with its access list, keys and timers", gdoi},
	{"detail", "", "the same", gdoi},
	{"ks", control.RoleKeyServer, "groups of a key server", ksInfo},
	{"ks detail", control.RoleKeyServer, "the same with redundancy", ksDetail},
	{"ks members", control.RoleKeyServer, "members with their rekeys and acknowledgements; may name one by its address", ksMembers},
	{"ks members summary", control.RoleKeyServer, "members by key server, one line each", ksSummary},
	{"ks policy", control.RoleKeyServer, "KEK and TEKs with their lifetimes", ksPolicy},
	{"ks coop", control.RoleKeyServer, "cooperating key servers: roles, timers, peers", ksCoop},
	{"ks coop detail", control.RoleKeyServer, "the same with every timer", ksCoopDetail},
	{"ks coop version", control.RoleKeyServer, "versions of the messages between key servers", ksCoopVersion},
	{"ks acl", control.RoleKeyServer, "the group's access list", ksACL},
	{"ks identifier", control.RoleKeyServer, "sender ids", ksIdentifier},
	{"ks identifier detail", control.RoleKeyServer, "sender ids, and how many are left", ksIdentifierDetail},
	{"gm", control.RoleGroupMember, "registration and rekeys of a member", gmInfo},
	{"gm rekey", control.RoleGroupMember, "rekeys and KEKs of a member", gmRekey},
	{"gm rekey detail", control.RoleGroupMember, "the same", gmRekey},
	{"gm replay", control.RoleGroupMember, "time-based anti-replay", gmReplay},
	{"gm dataplane counters", control.RoleGroupMember, "packets encrypted, decrypted and dropped", gmCounters},
	{"gm acl", control.RoleGroupMember, "access lists: downloaded and local", gmACL},
	{"gm acl download", control.RoleGroupMember, "the downloaded one", gmACLDownload},
	{"gm acl local", control.RoleGroupMember, "the local one", gmACLLocal},
	{"gm identifier", control.RoleGroupMember, "sender ids of a member", gmIdentifier},
	{"gm identifier detail", control.RoleGroupMember, "the same with the next request", gmIdentifierDetail},
	{"gm pubkey", control.RoleGroupMember, "public keys that rekeys are signed with", gmPubkey},
	{"rekey sa", control.RoleGroupMember, "rekey SAs", rekeySA},
}

// Line is the command as a device is asked, "show crypto gdoi ks members".
func (q Query) Line() string {
	words := []string{"show crypto gdoi"}
	if q.Group != "" {
		words = append(words, "group", q.Group)
	}
	for _, w := range []string{q.Command.Words, q.Member} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// Begins says whether a command line after show is one of ours: its first word is crypto, gdoi, gkm, ks or gm.
func Begins(word string) bool {
	switch word {
	case "ks", "gm":
		return true
	}
	return len(word) >= 2 && (strings.HasPrefix("crypto", word) || protocol(word))
}

func protocol(word string) bool {
	return len(word) >= 2 && (strings.HasPrefix("gdoi", word) || strings.HasPrefix("gkm", word))
}

// Usage is one line for each command: what to type, and what it shows.
func Usage() (out [][2]string) {
	for i := range commands {
		c := &commands[i]
		switch {
		case c.Words == "detail" || c.Short == "the same":
		case c.Words == "":
			out = append(out, [2]string{"gdoi [group NAME]", c.Short})
		case c.Role == control.RoleGroupMember && strings.HasPrefix(c.Words, "rekey"):
			out = append(out, [2]string{"gdoi " + c.Words, c.Short})
		default:
			out = append(out, [2]string{c.Words, c.Short})
		}
	}
	return out
}

// Parse reads the words after show.
func Parse(words []string) (Query, error) {
	var q Query
	rest := words
	if len(rest) > 0 && len(rest[0]) >= 2 && strings.HasPrefix("crypto", rest[0]) {
		if rest = rest[1:]; len(rest) == 0 || !protocol(rest[0]) {
			return q, fmt.Errorf("show crypto: only gdoi and gkm are known here")
		}
	}
	if len(rest) > 0 && protocol(rest[0]) {
		rest = rest[1:]
	}
	if len(rest) > 0 && len(rest[0]) >= 2 && strings.HasPrefix("group", rest[0]) {
		if len(rest) == 1 {
			return q, fmt.Errorf("group: say which one, as in 'show gdoi group blue'")
		}
		q.Group, rest = rest[1], rest[2:]
	}
	q.Command = match(rest)
	known := strings.Fields(q.Command.Words)
	if len(rest) == len(known) {
		return q, nil
	}
	word, line := rest[len(known)], "show "+strings.Join(words, " ")
	var fit []string
	for _, w := range nextWords(known) {
		if strings.HasPrefix(w, word) {
			fit = append(fit, w)
		}
	}
	switch {
	case len(fit) > 1:
		return q, fmt.Errorf("%s: %q could be one of: %s", line, word, strings.Join(fit, ", "))
	case len(fit) == 1:
		return q, fmt.Errorf("%s: not complete, or not known; %s", line, candidates(append(known, fit[0])))
	case q.Command.Words == "ks members" && len(rest) == len(known)+1:
		q.Member = word
		return q, nil
	}
	return q, fmt.Errorf("%s: %q is not known here; %s", line, word, candidates(known))
}

// match finds the command whose words are the first of those given, the longest such one. The shortest is of no words.
func match(given []string) *Command {
	best := &commands[0]
	for i := range commands {
		words := strings.Fields(commands[i].Words)
		ok := len(words) <= len(given) && len(words) > len(strings.Fields(best.Words))
		for k := 0; ok && k < len(words); k++ {
			ok = abbreviates(given[k], words[k], words[:k])
		}
		if ok {
			best = &commands[i]
		}
	}
	return best
}

// abbreviates says whether given stands for word, and for no other word in this place.
func abbreviates(given, word string, before []string) bool {
	if given == word {
		return true
	}
	if !strings.HasPrefix(word, given) || given == "" {
		return false
	}
	for _, other := range nextWords(before) {
		if other != word && strings.HasPrefix(other, given) {
			return false
		}
	}
	return true
}

// nextWords are those that may come after some, which may be abbreviated.
func nextWords(before []string) (out []string) {
	seen := map[string]bool{}
	for i := range commands {
		words := strings.Fields(commands[i].Words)
		if len(words) <= len(before) {
			continue
		}
		ok := true
		for k, b := range before {
			ok = ok && strings.HasPrefix(words[k], b)
		}
		if w := words[len(before)]; ok && !seen[w] {
			seen[w] = true
			out = append(out, w)
		}
	}
	return out
}

func candidates(before []string) string {
	next := nextWords(before)
	if len(next) == 0 {
		return "nothing comes after that"
	}
	return "after that comes one of: " + strings.Join(next, ", ")
}

// Complete lists the words that may come after those given, of which the last is not finished.
func Complete(given []string) []string {
	for len(given) > 1 && (protocol(given[0]) || strings.HasPrefix("crypto", given[0]) && len(given[0]) >= 2) {
		given = given[1:]
	}
	if len(given) == 0 {
		return nil
	}
	var out []string
	last := len(given) - 1
	for _, w := range nextWords(given[:last]) {
		if strings.HasPrefix(w, given[last]) {
			out = append(out, w)
		}
	}
	return out
}

// Answer is what a daemon says; nil: it is of the other kind, or does not have the group.
func (q Query) Answer(s *control.Snapshot) Answer {
	if s == nil || q.Command.Role != "" && s.Role != q.Command.Role || !has(s, q.Group) {
		return nil
	}
	return q.Command.make(s, q)
}

func has(s *control.Snapshot, group string) bool {
	if s.KS != nil {
		for i := range s.KS.Groups {
			if group == "" || s.KS.Groups[i].Name == group {
				return true
			}
		}
	}
	if s.GM != nil {
		for i := range s.GM.Groups {
			if group == "" || s.GM.Groups[i].Name == group {
				return true
			}
		}
	}
	return false
}
