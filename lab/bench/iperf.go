package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/driver"
)

// Flow is what a receiver got.
type Flow struct {
	Gbit  float64 // per second
	Bytes float64
}

// Iperf runs one iperf3 server and client between two hosts and returns what the server received in seconds of so many TCP
// flows.
func Iperf(ctx context.Context, l driver.Lab, from, to string, seconds, flows int) (Flow, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds+20)*time.Second)
	defer cancel()
	server := exec.CommandContext(ctx, "iperf3", "-s", "-1", "--forceflush")
	out, err := server.StdoutPipe()
	if err != nil {
		return Flow{}, err
	}
	if err := l.StartCommand(to, server); err != nil {
		return Flow{}, fmt.Errorf("%w (iperf3: apt-get install iperf3)", err)
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	// The server says that it listens; waiting for that line is better than guessing a pause.
	seen, buf := "", make([]byte, 512)
	for !strings.Contains(seen, "listening") {
		n, err := out.Read(buf)
		if err != nil {
			return Flow{}, fmt.Errorf("bench: iperf3 server ended: %s", seen)
		}
		seen += string(buf[:n])
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	var stdout, stderr bytes.Buffer
	addr := l.Scenario().Address(to).String()
	client := exec.CommandContext(ctx, "iperf3", "-c", addr, "-t", strconv.Itoa(seconds), "-P", strconv.Itoa(flows), "-J")
	client.Stdout, client.Stderr = &stdout, &stderr
	if err := l.StartCommand(from, client); err != nil {
		return Flow{}, err
	}
	waitErr := client.Wait()
	var report struct {
		Error string
		End   struct {
			Received struct {
				Bits  float64 `json:"bits_per_second"`
				Bytes float64 `json:"bytes"`
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil || waitErr != nil || report.Error != "" {
		return Flow{}, fmt.Errorf("bench: iperf3 %s to %s failed: %s %s (%v)", from, to, report.Error, strings.TrimSpace(stderr.String()), waitErr)
	}
	return Flow{report.End.Received.Bits / 1e9, report.End.Received.Bytes}, nil
}
