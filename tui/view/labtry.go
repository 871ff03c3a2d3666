package view

import (
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// try is something that is worth doing in a lab.
type try struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Text    string `json:"text"`
	Command string `json:"command,omitempty"` // of the console, and, after getvpn-tui, of a shell
	Shell   string `json:"shell,omitempty"`
	Also    string `json:"also,omitempty"` // what undoes it, or what goes with it
	View    string `json:"view"`           // where it is seen
}

// place is what a lab has, as far as experiments need it.
type place struct {
	fleet   *source.Fleet
	group   string
	kinds   map[string][]string // names by kind
	primary string
	coop    *source.Cooperation
}

// tries lists what makes sense in this lab, with the names that it has.
func tries(fleet *source.Fleet) []try {
	p := &place{fleet: fleet, kinds: map[string][]string{}}
	for i := range fleet.State.Nodes {
		if n := &fleet.State.Nodes[i]; !n.Outsider {
			p.kinds[n.Kind] = append(p.kinds[n.Kind], n.Name)
		}
	}
	if all := fleet.Groups(); len(all) > 0 {
		p.group = all[0]
		p.coop = fleet.Cooperation(p.group)
		if n, _ := fleet.KSOf(p.group); n != nil {
			p.primary = n.Name
		}
	}
	var out []try
	for _, t := range []try{p.ping(), p.rekey(), p.member(), p.keyServer(), p.handover(), p.cut(), p.remove(), p.token(), p.policy(), {
		Name: "more", Title: "Other labs, some with faults", View: Lab{}.Name(),
		Text:  "Each of the others shows one thing: cooperating key servers that fail, split and merge, certificates, HSMs, migration. The break-fix ones have faults in them, give hints and keep the score.",
		Shell: "getvpn-lab list", Also: "getvpn-lab down; getvpn-lab up break-fix-1; getvpn-tui --write",
	}} {
		if t.Name != "" {
			out = append(out, t)
		}
	}
	return out
}

// first is the first node of a kind; empty: there is none.
func (p *place) first(kind string) string {
	if len(p.kinds[kind]) == 0 {
		return ""
	}
	return p.kinds[kind][0]
}

func (p *place) ping() try {
	hosts, core := p.kinds["host"], p.first("core")
	if len(hosts) < 2 || core == "" || p.fleet.State.Simulated() { // whose machines nobody can enter
		return try{}
	}
	to := p.fleet.State.Node(hosts[len(hosts)-1])
	if len(to.Addresses) == 0 {
		return try{}
	}
	addr, _, _ := strings.Cut(to.Addresses[0], "/")
	return try{
		Name: "ping", Title: "Talk; the core sees only ESP", View: Pulse{}.Name(),
		Text:  "In a second terminal let " + hosts[0] + " ping " + to.Name + ", in a third one look at what the core router " + core + " forwards: packets between the same two addresses, and nothing that can be read in them.",
		Shell: "getvpn-lab exec " + hosts[0] + " -- ping " + addr, Also: "getvpn-lab exec " + core + " -- tcpdump -ni any esp",
	}
}

func (p *place) rekey() try {
	if p.group == "" {
		return try{}
	}
	return try{
		Name: "rekey", Title: "New keys, and no packet is lost", View: Rekey{}.Name(), Command: "rekey " + p.group,
		Text: "All members can receive with the new key before the first one sends with it. Let a ping run meanwhile. --kek replaces the key that rekeys are encrypted with as well.",
	}
}

func (p *place) member() try {
	gm := p.first("gm")
	if gm == "" {
		return try{}
	}
	return try{
		Name: "crash", Title: "A member crashes, nothing leaks", View: Pulse{}.Name(), Command: "kill " + gm, Also: ":start " + gm,
		Text: "SIGKILL, as a crash would. Its guard in the kernel stays, so what its LAN sends does not leave in clear; started again it registers by itself within a second. " +
			":pause lets it hang instead, :resume lets it go on.",
	}
}

func (p *place) keyServer() try {
	if p.coop != nil && len(p.coop.Servers) > 1 && p.primary != "" {
		return try{
			Name: "failover", Title: "The primary key server dies", View: Coop{}.Name(), Command: "kill " + p.primary, Also: ":start " + p.primary,
			Text: "The others miss its announcements, ask it three times, and elect a new primary, which goes on with the same keys: members notice nothing. Started again it is a secondary.",
		}
	}
	ks := p.first("ks")
	if ks == "" {
		return try{}
	}
	return try{
		Name: "no-keys", Title: "The only key server dies", View: Rekey{}.Name(), Command: "kill " + ks, Also: ":start " + ks,
		Text: "Traffic goes on until the keys of now end, then members close. Started again, the key server goes on with what it had, and they all come back by themselves.",
	}
}

func (p *place) handover() try {
	if p.coop == nil || len(p.coop.Servers) < 2 {
		return try{}
	}
	for i := range p.coop.Servers {
		if s := &p.coop.Servers[i]; s.Name != p.primary && s.Lives() {
			return try{
				Name: "handover", Title: "Another one becomes primary", View: Coop{}.Name(), Command: "handover " + p.group + " --to " + s.Name,
				Text: "As before an upgrade: the primary gives its role to one that has all that it has. H does it in the coop view.",
			}
		}
	}
	return try{}
}

func (p *place) cut() try {
	t := try{
		Name: "cut", Title: "The network is cut in two", View: Topology{}.Name(), Also: ":heal",
		Text: "The lab's network drops everything between two sides, for a while. In the topology view v and b mark the two sides, D cuts them and U heals.",
	}
	cores, gms := p.kinds["core"], p.kinds["gm"]
	switch {
	case p.coop != nil && len(cores) == 2:
		t.Text += " Key servers on both sides go on, each side with a primary of its own; healed, they are one group again."
		t.Command = "partition " + cores[0] + "/" + cores[1] + " --for 30s"
	case p.first("ks") != "" && len(gms) > 1:
		t.Text += " Members that miss a rekey say so, and register again once they can; --only control cuts GDOI and lets traffic pass."
		t.Command = "partition " + p.first("ks") + "/" + gms[0] + "," + gms[1] + " --for 30s"
	default:
		return try{}
	}
	return t
}

func (p *place) remove() try {
	gms := p.kinds["gm"]
	if p.group == "" || len(gms) < 2 {
		return try{}
	}
	gm := gms[len(gms)-1]
	return try{
		Name: "remove", Title: "A member is thrown out", View: Members{}.Name(), Command: "remove-member " + p.group + " " + gm, Also: ":readmit " + p.group + " " + gm,
		Text: "The others get keys that it cannot have, and lose nothing; it is refused until it is readmitted. X does it in the members view, for all that are marked.",
	}
}

func (p *place) token() try {
	for _, n := range p.fleet.KeyServers() {
		if n.Snap != nil && n.Snap.Custody != nil && n.Snap.Custody.Backend == "pkcs11" {
			return try{
				Name: "token", Title: "The HSM is pulled out", View: Custody{}.Name(), Command: "token-lose " + n.Name, Also: ":token-return " + n.Name,
				Text: "There can be no new keys without it; the keys of now go on, and the console says exactly what does not work.",
			}
		}
	}
	return try{}
}

func (p *place) policy() try {
	ks := p.fleet.State.Node(p.first(control.RoleKeyServer))
	if ks == nil || ks.Config == "" || p.group == "" {
		return try{}
	}
	return try{
		Name: "policy", Title: "The access list, under traffic", View: Policy{}.Name(), Shell: "vi " + ks.Config, Also: ":plan " + p.group + ", then :apply " + p.group,
		Text: "Add a line to the policy in the key server's file, look at what it would change, and apply it. Nothing is lost; with several key servers it goes into all their files.",
	}
}
