package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// panel is what is looked at of a dashboard's panel.
type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr, LegendFormat string }
}

var (
	quoted     = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	metricName = regexp.MustCompile(`\b(?:getvpn|process|go)_[a-z0-9_]+\b`)
	selector   = regexp.MustCompile(`([a-z_:][a-z0-9_:]*)\s*\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_][a-z0-9_]*)\s*(?:=~|!~|!=|=)`)
	grouping   = regexp.MustCompile(`\b(?:by|without)\s*\(([^)]*)\)`)
	legend     = regexp.MustCompile(`\{\{\s*([a-z_]+)\s*\}\}`)
)

// exported lists the metric names that daemons have, with their labels, as queries may name them.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, f := range families {
		out[f.name] = f.labels
		if f.histogram {
			delete(out, f.name)
			out[f.name+"_bucket"] = append(slices.Clone(f.labels), "le")
			out[f.name+"_sum"], out[f.name+"_count"] = f.labels, f.labels
		}
	}
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for name, f := range gather(t, r) {
		out[name] = nil
		for _, l := range f.GetMetric()[0].GetLabel() {
			out[name] = append(out[name], l.GetName())
		}
	}
	return out
}

// wrong says what is wrong with an expression: metrics that there are not, or labels that they do not have.
func wrong(expr, legendFormat string, have map[string][]string) (out []string) {
	bare := quoted.ReplaceAllString(expr, `""`)
	labels := []string{"instance", "job"} // Prometheus's own
	names := metricName.FindAllString(bare, -1)
	for _, name := range names {
		l, ok := have[name]
		if !ok {
			out = append(out, "no metric "+name)
		}
		labels = append(labels, l...)
	}
	for _, m := range selector.FindAllStringSubmatch(bare, -1) {
		own := append([]string{"instance", "job"}, have[m[1]]...)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(own, l[1]) {
				out = append(out, m[1]+" has no label "+l[1])
			}
		}
	}
	var used []string
	for _, m := range grouping.FindAllStringSubmatch(bare, -1) {
		for _, l := range strings.Split(m[1], ",") {
			used = append(used, strings.TrimSpace(l))
		}
	}
	kept := used
	for _, m := range legend.FindAllStringSubmatch(legendFormat, -1) {
		used = append(used, m[1])
		if kept != nil && !slices.Contains(kept, m[1]) {
			out = append(out, "the legend shows "+m[1]+", which is summed over")
		}
	}
	for _, l := range used {
		if !slices.Contains(labels, l) {
			out = append(out, "no label "+l)
		}
	}
	return out
}

// TestDashboard: the example dashboard asks for what daemons have, and has a row for each view, with panels that do not overlap.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels     []panel
		Templating struct {
			List []struct{ Type, Definition string }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	have, asked, rows := exported(t), map[string]bool{}, map[string]int{}
	ids, row := map[int]bool{}, ""
	check := func(where, expr, legendFormat string) {
		for _, w := range wrong(expr, legendFormat, have) {
			t.Errorf("%s: %s: %s", where, expr, w)
		}
		for _, name := range metricName.FindAllString(quoted.ReplaceAllString(expr, `""`), -1) {
			asked[name] = true
		}
	}
	for i, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		for _, o := range d.Panels[:i] {
			a, b := p.GridPos, o.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%s lies over %s", p.Title, o.Title)
			}
		}
		if p.Type == "row" {
			row = p.Title
			rows[row] = 0
			continue
		}
		if rows[row]++; len(p.Targets) == 0 {
			t.Errorf("%s asks for nothing", p.Title)
		}
		for _, q := range p.Targets {
			check(row+": "+p.Title, q.Expr, q.LegendFormat)
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			inner := strings.TrimSuffix(strings.TrimPrefix(v.Definition, "label_values("), ")")
			name, label, _ := strings.Cut(inner, ", ")
			check("variable", name+"{"+label+`=""}`, "")
		}
	}
	for _, a := range d.Annotations.List {
		check("annotation", a.Expr, "")
	}
	for _, v := range allViews {
		if rows[v] < 2 {
			t.Errorf("the view %s has %d panels", v, rows[v])
		}
	}
	for _, f := range families {
		if !asked[f.name] && !asked[f.name+"_bucket"] {
			t.Errorf("no panel shows %s", f.name)
		}
	}
}

// TestWrong: the check of expressions finds what is wrong.
func TestWrong(t *testing.T) {
	have := exported(t)
	for _, row := range []struct{ expr, legend, want string }{
		{`getvpn_up`, "", ""},
		{`sum by (group, state) (getvpn_members{group=~"$group",instance="x"})`, "{{group}} {{state}}", ""},
		{`histogram_quantile(0.9, sum by (le) (rate(getvpn_custody_call_seconds_bucket[5m])))`, "", ""},
		{`getvpn_member`, "", "no metric getvpn_member"},
		{`getvpn_custody_call_seconds`, "", "no metric"},
		{`getvpn_up{group="x"}`, "", "getvpn_up has no label group"},
		{`getvpn_members{grp=~"getvpn_nothing"}`, "", "getvpn_members has no label grp"},
		{`sum by (phase) (getvpn_members)`, "", "no label phase"},
		{`sum by (group) (getvpn_members)`, "{{state}}", "summed over"},
		{`getvpn_members`, "{{phase}}", "no label phase"},
	} {
		got := strings.Join(wrong(row.expr, row.legend, have), "; ")
		if (row.want == "") != (got == "") || !strings.Contains(got, row.want) {
			t.Errorf("%s: %q, want %q", row.expr, got, row.want)
		}
	}
}
