package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
)

// Limits of the listener; a scrape takes milliseconds.
const (
	maxConns   = 16
	maxScrapes = 2
	timeout    = 10 * time.Second
	maxHeader  = 8 << 10
)

// Server answers scrapes. It changes nothing and knows no caller: whoever can reach it may read.
type Server struct {
	listener net.Listener
	http     http.Server
	log      *slog.Logger
}

// Listen opens the listener of a configuration. Without one there is no server: nil is one that does nothing.
func Listen(c *config.Metrics, log *slog.Logger, snapshot func(context.Context) (*control.Snapshot, error), j *control.Journal) (*Server, error) {
	if c == nil {
		return nil, nil
	}
	var l net.Listener
	var err error
	if c.Socket != "" {
		l, err = control.Listen(c.Socket)
	} else {
		l, err = net.Listen("tcp", c.Address.String())
	}
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return &Server{listener: netutil.LimitListener(l, maxConns), log: log, http: http.Server{
		Handler: Handler(snapshot, j), MaxHeaderBytes: maxHeader, ReadHeaderTimeout: timeout, ReadTimeout: timeout,
		WriteTimeout: 2 * timeout, IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers until Close. A failure is logged: a daemon does its work without it.
func (s *Server) Serve() {
	if s == nil {
		return
	}
	s.log.Info("metrics are served", "listen", s.Addr().String())
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		s.log.Error("metrics are served no more", "error", err)
	}
}

// Close ends it; a scrape under way is cut off.
func (s *Server) Close() error {
	if s == nil {
		return nil
	}
	_ = s.http.Close()
	if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Handler answers GET /metrics. Asked over the loopback, it must be by address: a browser that looks at somebody's page may be led
// to this machine by a name.
func Handler(snapshot func(context.Context) (*control.Snapshot, error), j *control.Journal) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(&collector{snapshot, j}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics := promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: timeout, ErrorHandling: promhttp.ContinueOnError})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case !byAddress(q):
			http.Error(w, "ask by address, as http://127.0.0.1:9464/metrics, not by name", http.StatusForbidden)
		case q.URL.Path != "/metrics":
			http.Error(w, "only GET /metrics is here", http.StatusNotFound)
		case q.Method != http.MethodGet && q.Method != http.MethodHead:
			w.Header().Set("Allow", strings.Join([]string{http.MethodGet, http.MethodHead}, ", "))
			http.Error(w, "metrics are read, with GET", http.StatusMethodNotAllowed)
		default:
			metrics.ServeHTTP(w, q)
		}
	})
}

// byAddress says whether a request was sent to an address, or to localhost, which no name server answers for. Only what came over the
// loopback is asked: there a page in a browser of this machine may have sent it, under a name of its own.
func byAddress(q *http.Request) bool {
	if a, ok := q.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return true
	}
	host := (&url.URL{Host: q.Host}).Hostname()
	if host == "" || strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}
