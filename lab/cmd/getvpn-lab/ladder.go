package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/sim"
	"github.com/getvpn/getvpn/lab/sim/ladder"
	"github.com/getvpn/getvpn/lab/sim/live"
)

// ladderOptions are the flags of ladder.
type ladderOptions struct {
	seed     uint64
	faults   string
	exchange string
	nodes    []string
	from     time.Duration
	span     time.Duration
	most     int
	mermaid  bool
	pcap     string
	style    ladder.Style
	scenario choice
}

// ladderCommand shows what the nodes of a run say to each other.
func ladderCommand(lab *string) *cobra.Command {
	var o ladderOptions
	c := &cobra.Command{
		Use:   "ladder [NAME|FILE.yaml | --seed N]",
		Short: "What key servers and members say to each other, with decoded payloads: as a packet ladder, Mermaid or PCAP",
		Long: "Plays a scenario, a seed, or a lab that runs in the simulator (--lab) in virtual time, and shows every datagram as a packet\n" +
			"ladder with its payloads as they are after decryption. Key material is shown by its length. --pcap writes the datagrams,\n" +
			"as they are sent, for tcpdump and others.",
		Example: "  getvpn-lab ladder basic --nodes gm1 --for 2s\n  getvpn-lab ladder coop-failover --exchange coop --for 5s --short\n" +
			"  getvpn-lab ladder --seed 4711 --exchange push --from 1m --for 30s\n  getvpn-lab ladder basic --for 70s --pcap basic.pcapng\n" +
			"  getvpn-lab ladder --lab basic --mermaid       of a lab that runs with --driver sim, up to where it is",
		Args: func(cmd *cobra.Command, args []string) error { // what fails here is a wrong command line
			if o.exchange != "" && !slices.Contains(ladder.Kinds(), o.exchange) {
				return fmt.Errorf("exchange %q: there is %s", o.exchange, strings.Join(ladder.Kinds(), ", "))
			}
			if sources := len(args) + b2i(cmd.Flags().Changed("seed")) + b2i(*lab != ""); sources != 1 {
				return errors.New("name one scenario, or --seed, or --lab of a lab in the simulator")
			}
			if o.span < 0 || o.from < 0 || o.most < 0 {
				return errors.New("--for, --from and --most take nothing below 0")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var capture *ladder.Capture
			var err error
			switch {
			case cmd.Flags().Changed("seed"):
				capture, err = o.ofSeed()
			case *lab != "":
				capture, err = o.ofLab(cmd.Context(), *lab)
			default:
				capture, err = o.ofScenario(cmd.Context(), args[0])
			}
			if err != nil {
				return err
			}
			return o.show(cmd.OutOrStdout(), capture)
		}}
	f := c.Flags()
	f.Uint64Var(&o.seed, "seed", 0, "the run that this seed draws, as getvpn-lab sim plays it")
	f.StringVar(&o.faults, "faults", "", "with --seed: the faults of this file instead of those of the seed")
	f.StringVar(&o.exchange, "exchange", "", "only "+strings.Join(ladder.Kinds(), ", "))
	f.StringSliceVar(&o.nodes, "nodes", nil, "only what these nodes send or get")
	f.DurationVar(&o.from, "from", 0, "from this time of the run")
	f.DurationVar(&o.span, "for", 0, "for so long (default: 10s of a scenario, the whole run of a seed)")
	f.IntVar(&o.most, "most", 0, "end after so many messages")
	f.BoolVar(&o.mermaid, "mermaid", false, "a Mermaid sequence diagram")
	f.StringVar(&o.pcap, "pcap", "", "write the datagrams into this pcapng file, and print nothing else")
	f.BoolVar(&o.style.ASCII, "ascii", false, "no box drawing")
	f.BoolVar(&o.style.Short, "short", false, "no payloads")
	f.IntVar(&o.style.Width, "width", 0, "of the lines (default: the terminal's, else 100)")
	f.StringVar(&o.scenario.Profile, "profile", "", "of the scenario, as in --profile quick")
	f.StringToStringVar(&o.scenario.Set, "set", nil, "a variable of the scenario")
	return c
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (o *ladderOptions) until() time.Duration {
	if o.span == 0 {
		o.span = 10 * time.Second
	}
	return o.from + o.span
}

// ofSeed plays the plan of a seed.
func (o *ladderOptions) ofSeed() (c *ladder.Capture, err error) {
	p := sim.Draw(o.seed)
	if o.faults != "" {
		b, err := os.ReadFile(o.faults)
		if err != nil {
			return nil, err
		}
		if p.Faults, err = sim.ParseFaults(string(b)); err != nil {
			return nil, err
		}
	}
	sim.PlayWith(p, false, func(s *sim.Sim) { c = ladder.Watch(s) })
	return c, nil
}

// ofScenario runs a scenario in a directory that goes again.
func (o *ladderOptions) ofScenario(ctx context.Context, name string) (*ladder.Capture, error) {
	o.scenario.driver = live.Name
	s, err := o.scenario.load(name)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "getvpn-ladder")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p := &live.Plan{Seed: 1, Epoch: time.Now().UTC().Truncate(time.Second)}
	if err := p.Stage(s, dir); err != nil {
		return nil, err
	}
	return play(ctx, p, o.until())
}

// ofLab plays again what a lab in the simulator has been through.
func (o *ladderOptions) ofLab(ctx context.Context, name string) (*ladder.Capture, error) {
	if !drivers.Known(name) {
		return nil, noLab(name)
	}
	st, err := driver.ReadState(name)
	if err != nil {
		return nil, err
	}
	if st.Driver != live.Name {
		return nil, fmt.Errorf("lab %s is one of %s, and what was sent there is not kept: a ladder is of a lab that runs with --driver %s", name, st.Driver, live.Name)
	}
	p, now, err := live.PlanOf(name)
	if err != nil {
		return nil, err
	}
	if o.span > 0 {
		now = min(now, o.from+o.span)
	}
	return play(ctx, p, now)
}

func play(ctx context.Context, p *live.Plan, until time.Duration) (c *ladder.Capture, err error) {
	r := live.NewRun(p, func(s *sim.Sim) { c = ladder.Watch(s) })
	return c, r.Goto(ctx, until)
}

func (o *ladderOptions) show(w io.Writer, c *ladder.Capture) error {
	for _, n := range o.nodes {
		if !slices.Contains(c.Names, n) {
			return wrong("--nodes: no key server or member is called %q; there is: %s", n, strings.Join(c.Names, ", "))
		}
	}
	pick := ladder.Choice{Kind: o.exchange, Nodes: o.nodes, From: o.from, Most: o.most}
	if o.span > 0 {
		pick.To = o.from + o.span
	}
	list := c.Choose(pick)
	if o.pcap != "" {
		f, err := create(o.pcap, 0o600)
		if err != nil {
			return err
		}
		b := bufio.NewWriter(f)
		if err := errors.Join(c.WritePCAP(b, list), b.Flush(), f.Close()); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s has %d datagrams: tcpdump -vr %s\n", o.pcap, len(list), o.pcap)
		return nil
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "nothing of that was sent")
		return nil
	}
	if o.style.Width == 0 {
		o.style.Width = 100
		if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
			o.style.Width = width
		}
	}
	out := bufio.NewWriter(w)
	write := c.Text
	if o.mermaid {
		write = c.Mermaid
	}
	return errors.Join(write(out, list, o.style), out.Flush())
}
