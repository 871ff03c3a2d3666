package netcfg

import (
	"encoding/json"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// BenchmarkIperf3 is TCP between two hosts through two members, all on this machine: four namespaces share its cores.
// `plain` is the same path without members. One iteration is one run of two seconds.
func BenchmarkIperf3(b *testing.B) {
	if _, err := exec.LookPath("iperf3"); err != nil {
		b.Skip("iperf3 is not installed (apt-get install iperf3)")
	}
	for _, row := range []struct {
		name    string
		members bool
		args    []string
	}{
		{"plain", false, nil},
		{"esp", true, nil},
		{"esp-4-flows", true, []string{"-P", "4"}},
	} {
		b.Run(row.name, func(b *testing.B) {
			l := newLab(b)
			if row.members {
				l.run("gm1", "member", memberOf("gm1", "10.1.1.1", 1))
				l.run("gm2", "member", memberOf("gm2", "10.2.2.1", 2))
			} else {
				for _, g := range []string{"gm1", "gm2"} {
					l.in(g, "sysctl", "-qw", "net.ipv4.ip_forward=1")
				}
			}
			server := exec.Command("ip", "netns", "exec", l.prefix+"h2", "iperf3", "-s", "--forceflush")
			server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			if err := server.Start(); err != nil {
				b.Fatal(err)
			}
			defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
			listening := func() bool { return len(l.in("h2", "ss", "-Hltn", "sport = :5201")) > 0 }
			for end := time.Now().Add(patience); !listening() && time.Now().Before(end); {
				time.Sleep(20 * time.Millisecond)
			}
			total := 0.0
			for b.Loop() {
				out := l.in("h1", append([]string{"iperf3", "-c", "10.2.2.2", "-t", "2", "-J"}, row.args...)...)
				var r struct {
					End struct {
						Received struct {
							Rate float64 `json:"bits_per_second"`
						} `json:"sum_received"`
					} `json:"end"`
				}
				if err := json.Unmarshal([]byte(out), &r); err != nil {
					b.Fatal(err)
				}
				total += r.End.Received.Rate
			}
			b.ReportMetric(total/float64(b.N)/1e9, "Gbit/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
