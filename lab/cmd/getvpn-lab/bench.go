package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/netns"
)

func benchCommand() *cobra.Command {
	var seconds int
	c := &cobra.Command{Use: "bench", Short: "Measure iperf3 throughput from host to host through two members and the core", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := exec.LookPath("iperf3"); err != nil {
				return errors.New("iperf3 is missing: run 'apt-get install iperf3'")
			}
			o := choice{driver: "netns", name: "bench"}
			s, err := o.load("basic")
			if err != nil {
				return err
			}
			l, err := netns.Up(cmd.Context(), o.name, s, nil)
			if err != nil {
				return err
			}
			err = l.WaitRegistered(cmd.Context(), time.Minute)
			if err == nil {
				err = throughput(cmd.Context(), l, seconds, cmd.OutOrStdout())
			}
			return errors.Join(err, netns.Down(o.name))
		}}
	c.Flags().IntVar(&seconds, "seconds", 5, "length of one measurement")
	return c
}

// throughput measures the protected path, and beside it a port that the policy leaves in clear: the difference is the
// price of encryption, the same veths, routers and hosts included.
func throughput(ctx context.Context, l *netns.Lab, seconds int, w io.Writer) error {
	const protected, clear = 5201, 22
	to := l.Scenario().Address("h3").String()
	for _, port := range []int{protected, clear} {
		server := exec.CommandContext(ctx, "iperf3", "-s", "-p", strconv.Itoa(port)) //nolint:gosec // numbers of ours
		server.Stderr = os.Stderr
		if err := l.StartCommand("h3", server); err != nil {
			return err
		}
		defer func() { _ = server.Process.Kill(); _ = server.Wait() }() // it never ends by itself
	}
	time.Sleep(300 * time.Millisecond) // until the servers listen
	for _, m := range []struct {
		name  string
		port  int
		flags []string
	}{
		{"in clear (policy deny), TCP 1 flow", clear, nil},
		{"through two members, TCP 1 flow", protected, nil},
		{"through two members, TCP 4 flows", protected, []string{"-P", "4"}},
		{"through two members, TCP 1 flow back", protected, []string{"-R"}},
	} {
		var out bytes.Buffer
		args := append([]string{"-c", to, "-p", strconv.Itoa(m.port), "-t", strconv.Itoa(seconds), "-J"}, m.flags...)
		client := exec.CommandContext(ctx, "iperf3", args...) //nolint:gosec // as above
		client.Stdout, client.Stderr = &out, os.Stderr
		if err := l.StartCommand("h1", client); err != nil {
			return err
		}
		failed := client.Wait()
		var r struct {
			Error string `json:"error"`
			End   struct {
				Received struct {
					BitsPerSecond float64 `json:"bits_per_second"`
				} `json:"sum_received"`
				Sent struct {
					Retransmits int `json:"retransmits"`
				} `json:"sum_sent"`
			} `json:"end"`
		}
		if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Error != "" {
			return fmt.Errorf("iperf3 %v: %s %w", args, r.Error, errors.Join(err, failed))
		}
		fmt.Fprintf(w, "%-40s %8.0f Mbit/s  %5d retransmissions\n", m.name, r.End.Received.BitsPerSecond/1e6, r.End.Sent.Retransmits)
	}
	return nil
}
