package ks_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/getvpn/getvpn/daemon/control"
)

// scrape is what Prometheus reads from a daemon's metrics socket.
func (w *world) scrape(name string) string {
	w.t.Helper()
	h := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", w.path(name+"-metrics.sock"))
	}}}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://x/metrics", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := h.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		w.t.Fatalf("%d %s %v", res.StatusCode, text, err)
	}
	return string(text)
}

// TestMetrics: a key server and a member with traffic are scraped; what is read is in the form that Prometheus wants, agrees with
// what consoles see, and has no secret in it.
func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.extra = "metrics: {listen: ./%s-metrics.sock}\n"
	file, err := os.ReadFile(w.path("ks.yml"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("ks.yml", string(file)+fmt.Sprintf(w.extra, "ks"))
	w.startKS()
	a, b := w.pair()
	stop := stream(t, a, b)
	await(t, w.ksClient(), "two members and a rekey", func(x control.Watch) bool {
		return x.Snapshot != nil && len(x.Snapshot.KS.Groups[0].Members) == 2 && x.Snapshot.KS.Groups[0].RekeysSent > 0
	})
	sent, _ := stop()
	for name, want := range map[string][]string{
		"ks": {
			"getvpn_up 1\n", `getvpn_build_info{node="ks1",role="ks",version="development"} 1`, `getvpn_group_health{group="blue",health="OK"} 1`,
			`getvpn_members{group="blue",state="registered"} 2`, `getvpn_coop_primary{group="blue"} 1`, `getvpn_events_total{event="gm-registered",severity="info"} 2`,
			`getvpn_teks{group="blue",phase="sending"} 1`, `getvpn_tek_epoch{group="blue"} `, `getvpn_rekeys_sent_total{group="blue"} `, `getvpn_policy_rules{group="blue",owner="group"} 3`,
			`getvpn_custody_ready{backend="soft"} 1`, `getvpn_custody_call_seconds_bucket{operation="sign",le="0.001"} `, "process_cpu_seconds_total ", "go_goroutines ",
		},
		"gm1": {
			"getvpn_up 1\n", `getvpn_member_state{group="blue",state="registered"} 1`, fmt.Sprintf(`getvpn_registered_with{group="blue",key_server="%s"} 1`, w.ks),
			fmt.Sprintf(`getvpn_traffic_packets_total{direction="out"} %d`, sent), `getvpn_data_path_info{backend="memory",tun="gv0",wan="wan0"} 1`, "getvpn_data_path_up 1\n",
			fmt.Sprintf(`getvpn_policy_hits_total{group="blue",line="4",owner="group",rule="permit ip 10.0.0.0/8 10.0.0.0/8"} %d`, sent),
			`getvpn_key_servers{group="blue",state="known"} 1`, `getvpn_key_servers{group="blue",state="unreachable"} 0`, `getvpn_registrations_total{group="blue"} `,
		},
	} {
		text := w.scrape(name)
		for _, line := range want {
			if !strings.Contains(text, line) {
				t.Errorf("%s: no %s in\n%s", name, line, text)
			}
		}
		problems, err := promlint.New(strings.NewReader(text)).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "getvpn_") {
				t.Errorf("%s: %s: %s", name, p.Metric, p.Text)
			}
		}
		if strings.Contains(text, "0123456789abcdef") {
			t.Errorf("%s: the metrics hold a secret", name)
		}
	}
	a.end()
	if _, err := os.Stat(w.path("gm1-metrics.sock")); err == nil {
		t.Error("the metrics socket is still there")
	}
}
