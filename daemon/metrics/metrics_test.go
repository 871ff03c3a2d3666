package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/getvpn/getvpn/daemon/control"
)

// filled sets everything in a value to something that is not zero: lists have two elements, numbers and texts are all different.
func filled(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_700_000_000+int64(*n), 0)))
			return
		}
		for i := range v.NumField() {
			filled(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0), n)
		filled(v.Index(1), n)
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n))
	}
}

func snapshot() *control.Snapshot {
	s, n := new(control.Snapshot), 0
	filled(reflect.ValueOf(s).Elem(), &n)
	for i := range s.KS.Groups {
		s.KS.Groups[i].TEKs[0].Phase, s.KS.Groups[i].TEKs[1].Phase = control.PhaseSending, control.PhaseDraining
	}
	return s
}

func registry(s *control.Snapshot, err error) *prometheus.Registry {
	r, j := prometheus.NewPedanticRegistry(), new(control.Journal)
	j.Add(control.Event{Name: "rekeyed", Severity: "info"})
	j.Add(control.Event{Name: "rekeyed", Severity: "info"})
	r.MustRegister(&collector{func(context.Context) (*control.Snapshot, error) { return s, err }, j})
	return r
}

// gather is what a scrape finds, by name.
func gather(t *testing.T, r *prometheus.Registry) map[string]*dto.MetricFamily {
	t.Helper()
	list, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*dto.MetricFamily{}
	for _, f := range list {
		out[f.GetName()] = f
	}
	return out
}

// TestFamilies: each family is filled from a snapshot that has everything, the names are as Prometheus wants them, and each
// view of the console has some.
func TestFamilies(t *testing.T) {
	r := registry(snapshot(), nil)
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	got, views := gather(t, r), map[string]bool{}
	for _, f := range families {
		views[f.view] = true
		if got[f.name] == nil {
			t.Errorf("%s has no value", f.name)
		}
	}
	for _, v := range allViews {
		if !views[v] {
			t.Errorf("the view %s has no family", v)
		}
	}
	if len(views) != len(allViews) {
		t.Errorf("views %v, want %v", views, allViews)
	}
	if n := len(got[events.name].GetMetric()); n != 1 || got[events.name].GetMetric()[0].GetCounter().GetValue() != 2 {
		t.Errorf("events: %v", got[events.name])
	}
	h := got[custodyCalls.name].GetMetric()[0].GetHistogram()
	if b := h.GetBucket(); len(b) != len(control.CustodyBounds) || b[0].GetUpperBound() != 0.001 || b[1].GetCumulativeCount() <= b[0].GetCumulativeCount() {
		t.Errorf("latency: %v", h)
	}
}

// allViews are those of the console that show daemons, and the processes themselves.
var allViews = []string{"pulse", "members", "rekey", "coop", "sas", "policy", "custody", "events", "topology", "process"}

// TestNoAnswer: a daemon that hangs is seen.
func TestNoAnswer(t *testing.T) {
	got := gather(t, registry(nil, errors.New("busy")))
	if v := got[up.name].GetMetric()[0].GetGauge().GetValue(); v != 0 || len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// TestBounds: a large group, a long policy and hostile texts make no more series than a small one, by much.
func TestBounds(t *testing.T) {
	s, j := snapshot(), new(control.Journal)
	g, m := &s.KS.Groups[0], &s.GM.Groups[0]
	for i := range 10_000 {
		g.Members = append(g.Members, control.KSMember{Address: fmt.Sprint(i), Identity: fmt.Sprint(i), State: control.StateRegistered, Rekey: control.RekeyState{Missed: i % 2, AckCount: 1, RTT: float64(i)}})
		m.Policy = append(m.Policy, control.Rule{Text: strings.Repeat("ä", i%500), Owner: "group", Hits: 1})
		s.Drops = append(s.Drops, control.Counter{Name: fmt.Sprint("\xff", i), Count: 1})
		g.Coop.Peers = append(g.Coop.Peers, control.CoopPeer{ID: i, Link: control.LinkUp})
		j.Add(control.Event{Name: fmt.Sprint(i), Severity: "info"})
	}
	s.GM.DataPath.Drops = append(s.GM.DataPath.Drops, s.GM.DataPath.Drops...) // two parts that count under one name
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(&collector{func(context.Context) (*control.Snapshot, error) { return s, nil }, j})
	got, all := gather(t, r), 0
	for name, f := range got {
		all += len(f.GetMetric())
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if len(l.GetValue()) > maxLabel+3 {
					t.Errorf("%s: the label %s has %d octets", name, l.GetName(), len(l.GetValue()))
				}
			}
		}
	}
	if all > 1200 {
		t.Errorf("%d series", all)
	}
	sum := func(f *family) (v float64) {
		for _, m := range got[f.name].GetMetric() {
			v += m.GetCounter().GetValue()
		}
		return v
	}
	if v := sum(drops); v < 10_000 {
		t.Errorf("%v drops, of 10000", v)
	}
	if v := sum(hits); v < 10_000 {
		t.Errorf("%v hits, of 10000", v)
	}
	value := func(f *family, labels ...string) float64 {
		for _, m := range got[f.name].GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetValue())
			}
			if slices.Equal(have, labels) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
		t.Errorf("%s has no value for %q", f.name, labels)
		return 0
	}
	if v := value(unacked, g.Name); v < 5000 || v > 5002 {
		t.Errorf("%v members have not acknowledged", v)
	}
	if v := value(ackRTT, g.Name, "max"); v != 9.999 {
		t.Errorf("the longest round trip is %v s", v)
	}
	if v := value(drops, other); v < 9000 {
		t.Errorf("%v other drops", v)
	}
}

// TestHandler: metrics are read, and nothing else can be done.
func TestHandler(t *testing.T) {
	srv := httptest.NewServer(Handler(func(context.Context) (*control.Snapshot, error) { return snapshot(), nil }, new(control.Journal)))
	defer srv.Close()
	for _, row := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/metrics", 200, "\ngetvpn_up 1\n"},
		{"GET", "/metrics", 200, "\nprocess_resident_memory_bytes "},
		{"GET", "/metrics", 200, "\ngo_goroutines "},
		{"POST", "/metrics", 405, "read"},
		{"DELETE", "/metrics", 405, "read"},
		{"GET", "/", 404, "/metrics"},
		{"GET", "/v1/snapshot", 404, "/metrics"},
		{"GET", "/debug/pprof/", 404, "/metrics"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), row.method, srv.URL+row.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != row.status || !strings.Contains(string(text), row.want) {
			t.Errorf("%s %s: %d %.200s", row.method, row.path, res.StatusCode, text)
		}
	}
}

// TestHost: over the loopback metrics are read by address, so that no page that a browser looks at can; a unix socket has no name.
func TestHost(t *testing.T) {
	h := Handler(func(context.Context) (*control.Snapshot, error) { return snapshot(), nil }, new(control.Journal))
	for _, row := range []struct {
		host string
		unix bool
		want int
	}{
		{"127.0.0.1:9464", false, 200},
		{"10.0.0.1", false, 200},
		{"[::1]:9464", false, 200},
		{"[fe80::1%25eth0]:9464", false, 200},
		{"localhost:9464", false, 200},
		{"LocalHost", false, 200},
		{"", false, 200},
		{"x", true, 200},
		{"x", false, 403},
		{"evil.example:9464", false, 403},
		{"127.0.0.1.evil.example", false, 403},
		{"localhost.evil.example:9464", false, 403},
		{"evil.example:127.0.0.1", false, 403},
		{"evil.example@127.0.0.1", false, 403},
		{"2130706433", false, 403},
	} {
		var local net.Addr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9464}
		if row.unix {
			local = &net.UnixAddr{Name: "m.sock", Net: "unix"}
		}
		q := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, local), http.MethodGet, "/metrics", nil)
		q.Host = row.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		if w.Code != row.want {
			t.Errorf("%q, unix %t: %d %.100s", row.host, row.unix, w.Code, w.Body)
		}
	}
	q := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 9464}), http.MethodGet, "/metrics", nil)
	q.Host = "ks1.example:9464"
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, q); w.Code != 200 {
		t.Errorf("by name over the network: %d %.100s", w.Code, w.Body)
	}
}
