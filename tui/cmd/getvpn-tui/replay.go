package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/control/record"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/view"
)

// played is a recording instead of daemons, and where in it.
type played struct {
	file, at string
	speed    float64
	paused   bool
}

func replayCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "replay FILE [show VIEW [GROUP]]",
		Short: "Play a recording in the console, or print a view of one of its moments",
		Long: "Plays what 'getvpn-tui record' and 'getvpn-lab sim --record' have kept, in the very same console: space plays and pauses, n and ] go to\n" +
			"the next event and the next warning, . and , step, + and - change the speed; ? lists the keys. Nothing can be acted on.\n" +
			"With show it prints a view of the moment that --at says, and ends; 'show VIEW --replay FILE' is the same.",
		Example: "  getvpn-tui replay friday.rec.gz --at 12:03:17\n  getvpn-tui replay friday.rec.gz show pulse --at +5m --json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.played.file = args[0]
			if err := cmd.Flags().Parse(args[1:]); err != nil { // flags after the file
				return err
			}
			if asked, _ := cmd.Flags().GetBool("help"); asked {
				return cmd.Help()
			}
			if rest := cmd.Flags().Args(); len(rest) > 0 {
				if rest[0] != "show" {
					return fmt.Errorf("replay FILE may be followed by 'show VIEW', not by %q", strings.Join(rest, " "))
				}
				root := cmd.Root()
				root.SetArgs(append([]string{"show", "--replay", args[0]}, rest[1:]...))
				return root.ExecuteContext(cmd.Context())
			}
			return replay(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.SetInterspersed(false) // what follows show is its own
	playedFlags(c, o)
	f.Float64Var(&o.played.speed, "speed", 1, "how fast to play, from 0.1 to 1000")
	f.BoolVar(&o.played.paused, "paused", false, "begin standing")
	f.StringVar(&o.view, "view", "", "the view to begin with: "+strings.Join(view.Names(), ", "))
	return c
}

func playedFlags(c *cobra.Command, o *options) {
	c.Flags().StringVar(&o.played.at, "at", "", "a moment of the recording: 12:03:17, +5m after its start, -30s before its end, start or end")
}

// open opens the recording that was named, at the moment that was, or at another if none was.
func (p *played) open(otherwise string) (*source.Replay, *source.Fleet, error) {
	rec, err := record.Open(p.file)
	if err != nil {
		return nil, nil, refused{err}
	}
	at := p.at
	if at == "" {
		at = otherwise
	}
	t, err := source.ParseMoment(at, rec.Start(), rec.End())
	if err != nil {
		return nil, nil, errors.Join(err, rec.Close())
	}
	r := source.NewReplay(rec)
	r.Seek(t)
	return r, r.At(t), nil
}

// replay plays on the screen.
func replay(ctx context.Context, o *options) error {
	if o.played.speed < 0.1 || o.played.speed > 1000 {
		return fmt.Errorf("--speed is from 0.1 to 1000")
	}
	r, _, err := o.played.open("start")
	if err != nil {
		return err
	}
	r.Speed(o.played.speed)
	r.Pause(o.played.paused || o.played.at != "")
	return errors.Join(screen(ctx, o, r), r.Close())
}

// reached fails if what show prints has nobody in it who answers.
func (o *options) reached(fleet *source.Fleet) error {
	if o.played.file == "" {
		return reached(fleet)
	}
	if len(fleet.Nodes) == 0 {
		return refused{fmt.Errorf("%s: no daemon had been seen by %s", o.played.file, fleet.Time.Local().Format(time.DateTime))}
	}
	return nil
}

// fleet is what show prints: of daemons, or of a moment of a recording.
func (o *options) fleet(ctx context.Context) (*source.Fleet, error) {
	if o.played.file != "" {
		if o.lab+o.socket+o.dir != "" {
			return nil, fmt.Errorf("--replay prints what a recording has, not what --lab, --socket or --dir names")
		}
		r, fleet, err := o.played.open("end")
		if err != nil {
			return nil, err
		}
		for _, note := range r.Position().Notes {
			fmt.Fprintf(os.Stderr, "getvpn-tui: %s: %s\n", o.played.file, note)
		}
		return fleet, r.Close()
	}
	if o.played.at != "" {
		return nil, fmt.Errorf("--at is a moment of a recording: name it with --replay FILE")
	}
	src, err := o.source()
	if err != nil {
		return nil, err
	}
	return src.Once(ctx), nil
}
