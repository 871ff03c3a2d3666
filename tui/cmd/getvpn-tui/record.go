package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/getvpn/getvpn/daemon/control/record"
	"github.com/getvpn/getvpn/tui/app"
	"github.com/getvpn/getvpn/tui/source"
)

// recorded is how a recording is made.
type recorded struct {
	length time.Duration
	size   string
	force  bool
	json   bool
}

func recordCommand(o *options) *cobra.Command {
	r := &recorded{}
	c := &cobra.Command{
		Use:   "record FILE",
		Short: "Keep what happens in a file, without a screen; replay plays it",
		Long: "Keeps every word of every attached daemon, and what becomes of a lab and its course, until it is ended by ctrl+c, SIGTERM, --for or\n" +
			"--max-size; the file is complete then. Daemons that come back and new ones are recorded too. The file is compressed if its name\n" +
			"ends in .gz, and only its owner can read it. What a crash may cost is the last second.",
		Example: "  getvpn-tui record friday.rec.gz --lab basic --for 10m\n  getvpn-tui replay friday.rec.gz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			most, err := parseSize(r.size)
			if err != nil {
				return err
			}
			if r.length < 0 {
				return fmt.Errorf("--for needs a time that is not negative")
			}
			src, err := o.source()
			if err != nil {
				return err
			}
			return r.run(cmd, src, args[0], record.Options{Max: most, Force: r.force})
		},
	}
	f := c.Flags()
	f.DurationVar(&r.length, "for", 0, "end after this time: 10m")
	f.StringVar(&r.size, "max-size", "1GiB", "end before the file is larger than this")
	f.BoolVar(&r.force, "force", false, "replace a file that exists")
	f.BoolVar(&r.json, "json", false, "print what was recorded as JSON")
	return c
}

// made is what record prints as JSON.
type made struct {
	File    string  `json:"file"`
	Seconds float64 `json:"seconds"`
	Nodes   int     `json:"nodes"`
	Frames  int     `json:"frames"`
	Events  int     `json:"events"`
	Size    int64   `json:"size"`  // octets
	Ended   string  `json:"ended"` // why: signal, for, max-size or error
	Error   string  `json:"error,omitempty"`
}

// run records until something ends it.
func (r *recorded) run(cmd *cobra.Command, src *source.Source, path string, o record.Options) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	timed := ctx
	if r.length > 0 {
		var cancel context.CancelFunc
		timed, cancel = context.WithTimeout(ctx, r.length)
		defer cancel()
	}
	tape, err := src.Record(path, o)
	if err != nil {
		return refused{err}
	}
	watched := make(chan struct{})
	watch, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() { defer close(watched); src.Run(watch) }()
	report := progress(cmd.ErrOrStderr())
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	why := ""
	for why == "" {
		report(tape)
		select {
		case <-ctx.Done():
			why = "signal"
		case <-timed.Done():
			if why = "for"; ctx.Err() != nil {
				why = "signal"
			}
		case <-tape.Done():
			why = "max-size"
		case <-tick.C:
		}
	}
	err = tape.Stop() // before the daemons are left, so that it does not say that they went away
	cancel()
	<-watched
	report(nil)
	if errors.Is(err, record.ErrFull) {
		err = nil
	} else if err != nil {
		why = "error"
	}
	return r.say(cmd.OutOrStdout(), tape, why, err)
}

// say tells what was recorded.
func (r *recorded) say(w io.Writer, tape *source.Tape, why string, err error) error {
	if r.json {
		s, nodes := tape.Stats()
		m := made{tape.Path, tape.Long().Seconds(), nodes, s.Frames, s.Events, s.Size, why, ""}
		if err != nil {
			m.Error = err.Error()
		}
		if e := printJSON(w, m); e != nil {
			return refused{e}
		}
		if err != nil {
			return errSaid
		}
		return nil
	}
	end := map[string]string{"max-size": "; ended because it has reached --max-size " + r.size + " (a name that ends in .gz takes a tenth of the room)"}[why]
	if _, e := fmt.Fprintln(w, app.Recorded(tape)+end); e != nil {
		return refused{e}
	}
	if err != nil {
		return refused{err}
	}
	return nil
}

// progress returns what keeps a line on a terminal up to date; a nil tape wipes it. Without a terminal it says nothing.
func progress(w io.Writer) func(*source.Tape) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(*source.Tape) {}
	}
	return func(t *source.Tape) {
		if t == nil {
			_, _ = fmt.Fprint(f, "\r\x1b[K")
			return
		}
		s, nodes := t.Stats()
		line := fmt.Sprintf("recording %v  %d daemons  %d frames  %d events  %s  (ctrl+c ends it)", t.Long().Round(time.Second), nodes, s.Frames, s.Events, app.Octets(s.Size))
		if nodes == 0 {
			line = "recording; no daemon is there yet  (ctrl+c ends it)"
		}
		_, _ = fmt.Fprint(f, "\r\x1b[K"+line)
	}
}

// parseSize reads a size: 500MB, 64M, 1GiB. K, M and G are powers of 1024 unless they are followed by a single B.
func parseSize(text string) (int64, error) {
	s, factor := text, 1.0
	for _, u := range []struct {
		suffix string
		factor float64
	}{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
		{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1},
	} {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	x, err := strconv.ParseFloat(s, 64)
	n := x * factor
	if err != nil || math.IsNaN(n) || n < 64<<10 || n > 1<<50 {
		return 0, fmt.Errorf("%q is no size of a recording: say 500MiB or 1GiB, at least 64KiB", text)
	}
	return int64(n), nil
}
