package openapi

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"time"
)

type timeType = time.Time

// words are the values of fields that have no others.
var words = map[string][]string{
	"Snapshot.role":          {"ks", "gm"},
	"Whoami.role":            {"ks", "gm"},
	"Whoami.caller":          {"operator", "viewer"},
	"KSGroup.role":           {"primary", "secondary"},
	"KSGroup.health":         {"OK", "DEGRADED", "EXPIRING"},
	"KSGroup.mode":           {"full", "passive", "receive-only"},
	"KSGroup.rekey_kind":     {"unicast", "multicast"},
	"KSGroup.unstamped":      {"accept", "drop"},
	"KSMember.state":         {"registered", "left"},
	"Rule.owner":             {"group", "local"},
	"TEK.phase":              {"waiting", "sending", "draining", "expired"},
	"GMGroup.state":          {"unregistered", "registering", "registered", "re-registering", "expired"},
	"GMGroup.fail_mode":      {"closed", "open"},
	"GMGroup.mode":           {"full", "passive", "receive-only"},
	"Event.severity":         {"debug", "info", "warning", "error"},
	"Coop.role":              {"primary", "secondary"},
	"CoopPeer.role":          {"primary", "secondary"},
	"CoopPeer.link":          {"down", "negotiating", "up", "silent"},
	"CoopPeer.ike":           {"established", "negotiating", "none"},
	"CustodyKey.use":         {"sign", "transport", "encrypt", "seal"},
	"Custody.backend":        {"soft", "pkcs11"},
	"Custody.keks":           {"token", "process"},
	"GroupPlan.action":       {"unchanged", "change", "add", "remove"},
	"DiffLine.op":            {"+", "-", "="},
	"CoopElection.reason":    {"elected", "follows", "dead", "handover", "left", "paused", "split", "merge"},
	"CustodyFinding.verdict": {"works", "missing", "wrong", "unproven"},
}

// comments reads what stands at the types of a package and at their fields, by "Type" and "Type.Field". What is said of
// several fields at once stands at the first of them, as in the source.
func comments(dir string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	out, set := map[string]string{}, token.NewFileSet()
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, spec := range g.Specs {
				t := spec.(*ast.TypeSpec)
				st, ok := t.Type.(*ast.StructType)
				if !ok {
					continue
				}
				doc := t.Doc
				if doc == nil {
					doc = g.Doc
				}
				out[t.Name.Name] = text(doc)
				for _, field := range st.Fields.List {
					for _, name := range field.Names {
						out[t.Name.Name+"."+name.Name] = strings.TrimSpace(text(field.Doc) + " " + text(field.Comment))
					}
				}
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("openapi: no types in %s", dir)
	}
	return out, nil
}

// text is a comment as one line.
func text(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
