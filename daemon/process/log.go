package process

import (
	"context"
	"log/slog"
	"os"

	"golang.org/x/term"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi/machine"
)

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warning": slog.LevelWarn, "error": slog.LevelError,
}

// Logger returns the log that the configuration asks for.
func Logger(c config.Log, w *os.File) *slog.Logger {
	opts := &slog.HandlerOptions{Level: levels[c.Level]}
	if c.Format == "text" || c.Format != "json" && term.IsTerminal(int(w.Fd())) {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

// Sink takes journal events: it numbers and keeps them, and logs them. Debug events are logged only, so that they do not
// push what matters out of the journal.
type Sink struct {
	Node    string
	Log     *slog.Logger
	Journal *control.Journal
}

// Note takes an event of a machine, or of the daemon itself.
func (s *Sink) Note(now machine.Now, n machine.Note) {
	e := translate.Event(s.Node, now, n)
	attrs := []slog.Attr{slog.String("event", n.Name)}
	for _, f := range []machine.Field{{Key: "group", Value: n.Group}, {Key: "peer", Value: n.Peer}, {Key: "reason", Value: n.Reason}} {
		if f.Value != "" {
			attrs = append(attrs, slog.String(f.Key, f.Value))
		}
	}
	for _, f := range n.Fields {
		attrs = append(attrs, slog.String(f.Key, f.Value))
	}
	if n.Severity > machine.Debug {
		e = s.Journal.Add(e)
		attrs = append(attrs, slog.Uint64("journal", e.Seq))
	}
	s.Log.LogAttrs(context.Background(), levels[n.Severity.String()], n.Text, attrs...)
}
