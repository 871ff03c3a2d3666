package classic

import (
	"github.com/getvpn/getvpn/daemon/control"
)

// ACLBlock is the access lists of a group on a member; nil: not asked for.
type ACLBlock struct {
	Group      string    `json:"group"`
	KeyServer  string    `json:"key_server,omitempty"`
	Downloaded *[]string `json:"acl_downloaded,omitempty"`
	Local      *[]string `json:"acl_configured_locally,omitempty"`
}

type aclBlocks []ACLBlock

func gmACL(s *control.Snapshot, q Query) Answer         { return acls(s, q, true, true) }
func gmACLDownload(s *control.Snapshot, q Query) Answer { return acls(s, q, true, false) }
func gmACLLocal(s *control.Snapshot, q Query) Answer    { return acls(s, q, false, true) }

func acls(s *control.Snapshot, q Query, downloaded, local bool) Answer {
	return aclBlocks(eachGM(s, q, func(g *control.GMGroup) ACLBlock {
		b := ACLBlock{Group: g.Name}
		group, own := lists(g)
		if downloaded {
			b.Downloaded, b.KeyServer = &group, host(g.RegisteredWith)
		}
		if local {
			b.Local = &own
		}
		return b
	}))
}

// lists are the downloaded and the local access list, in the notation of devices.
func lists(g *control.GMGroup) (group, local []string) {
	group, local = []string{}, []string{}
	for _, r := range g.Policy {
		if r.Owner == "local" {
			local = append(local, entry(r.Text))
		} else {
			group = append(group, entry(r.Text))
		}
	}
	return group, local
}

func printList(p *page, list []string) {
	for _, e := range list {
		p.line(3, "access-list   %s", e)
	}
}

func (all aclBlocks) print(p *page) {
	for _, b := range all {
		p.line(0, "Group Name: %s", b.Group)
		if b.Downloaded != nil {
			p.line(1, "ACL Downloaded From KS %s:", b.KeyServer)
			printList(p, *b.Downloaded)
		}
		if b.Local != nil {
			p.line(1, "ACL Configured Locally:")
			printList(p, *b.Local)
		}
	}
}
