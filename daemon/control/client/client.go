// Package client speaks to a daemon's control socket (package control). The console, the lab and tests use it.
package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// ErrRefused is what an answer with a 4xx or 5xx status Is; the text is the daemon's own.
var ErrRefused = control.ErrRefused

const (
	dialTimeout = 2 * time.Second
	callTimeout = 10 * time.Second
	maxAnswer   = 64 << 20 // a snapshot of a very large group
)

// Client talks to one control socket. It is safe for concurrent use and keeps no connection between calls.
type Client struct {
	path string
	dry  bool
	http *http.Client
}

// New returns a client of the unix socket at path. Nothing is opened before the first call.
func New(path string) *Client {
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path) },
		DisableKeepAlives: true,
	}}}
}

// Path is the socket's path.
func (c *Client) Path() string { return c.path }

// Snapshot returns the daemon's state.
func (c *Client) Snapshot(ctx context.Context) (*control.Snapshot, error) {
	s := new(control.Snapshot)
	if err := c.get(ctx, "/v1/snapshot", s); err != nil {
		return nil, err
	}
	return s, nil
}

// Events returns the journal's entries with a number greater than since, as far as the daemon still has them.
func (c *Client) Events(ctx context.Context, since uint64) ([]control.Event, error) {
	var ev []control.Event
	err := c.get(ctx, "/v1/events?since="+strconv.FormatUint(since, 10), &ev)
	return ev, err
}

// Whoami asks who the daemon takes this process for.
func (c *Client) Whoami(ctx context.Context) (control.Whoami, error) {
	var me control.Whoami
	err := c.get(ctx, "/v1/whoami", &me)
	return me, err
}

// DryRun returns a client whose changes are only checked: the answer says what would be done, or the error why not.
func (c *Client) DryRun() *Client {
	d := *c
	d.dry = true
	return &d
}

// Rekey asks a key server for new keys.
func (c *Client) Rekey(ctx context.Context, req control.RekeyRequest) (control.Reply, error) {
	return c.post(ctx, "/v1/rekey", req)
}

// ClearMember removes a member from a key server's list.
func (c *Client) ClearMember(ctx context.Context, req control.ClearMemberRequest) (control.Reply, error) {
	return c.post(ctx, "/v1/clear-member", req)
}

// ClearMembers makes all members of a group register again.
func (c *Client) ClearMembers(ctx context.Context, req control.ClearMembersRequest) (control.Reply, error) {
	return c.post(ctx, "/v1/clear-members", req)
}

// RemoveMember excludes members from a group.
func (c *Client) RemoveMember(ctx context.Context, req control.RemoveMemberRequest) (control.Reply, error) {
	return c.post(ctx, "/v1/remove-member", req)
}

// Handover lets another key server be primary of a group.
func (c *Client) Handover(ctx context.Context, req control.HandoverRequest) (control.Reply, error) {
	return c.post(ctx, "/v1/handover", req)
}

// Rotate gives a group of a key server a new signature key.
func (c *Client) Rotate(ctx context.Context, req control.RotateRequest) (control.Reply, error) {
	return c.post(ctx, "/v1/rotate", req)
}

// Readmit lets a removed member register again.
func (c *Client) Readmit(ctx context.Context, req control.ReadmitRequest) (control.Reply, error) {
	return c.post(ctx, "/v1/readmit", req)
}

// Reregister makes a member register again.
func (c *Client) Reregister(ctx context.Context, req control.ReregisterRequest) (control.Reply, error) {
	return c.post(ctx, "/v1/reregister", req)
}

// Plan asks a key server what its configuration file, read again, would change.
func (c *Client) Plan(ctx context.Context, req control.PlanRequest) (control.Reply, error) {
	return c.ask(ctx, "/v1/plan", "", req)
}

// Apply has a key server read its configuration file again and change what it can.
func (c *Client) Apply(ctx context.Context, req control.PlanRequest) (control.Reply, error) {
	return c.post(ctx, "/v1/apply", req)
}

// Stop asks the daemon to end in order.
func (c *Client) Stop(ctx context.Context) (control.Reply, error) {
	return c.post(ctx, "/v1/stop", struct{}{})
}

// Watch calls f for every line of the watch stream, the first with a snapshot, until the stream or ctx ends. It
// always returns an error (io.EOF when the daemon closed in order); the caller reconnects.
func (c *Client) Watch(ctx context.Context, f func(control.Watch)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := c.do(ctx, http.MethodGet, "/v1/watch", "", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	dec := json.NewDecoder(bufio.NewReaderSize(res.Body, 64<<10))
	for {
		var w control.Watch
		if err := dec.Decode(&w); err != nil {
			return fmt.Errorf("%s: watch: %w", c.path, err)
		}
		f(w)
	}
}

// post asks for a change, with a key: whoever sends it on, twice perhaps, does it once.
func (c *Client) post(ctx context.Context, url string, req any) (control.Reply, error) {
	key := rand.Text()
	if c.dry {
		var v control.Versions
		if err := c.get(ctx, "/v1/version", &v); err != nil { // a daemon of before dry runs would do it
			return control.Reply{}, fmt.Errorf("not done: the daemon knows no dry runs: %w", err)
		}
		url, key = url+"?dry_run=true", ""
	}
	return c.ask(ctx, url, key, req)
}

func (c *Client) ask(ctx context.Context, url, key string, req any) (control.Reply, error) {
	var r control.Reply
	body, err := json.Marshal(req)
	if err != nil {
		return r, err
	}
	err = c.call(ctx, http.MethodPost, url, key, body, &r)
	return r, err
}

func (c *Client) get(ctx context.Context, url string, into any) error {
	return c.call(ctx, http.MethodGet, url, "", nil, into)
}

func (c *Client) call(ctx context.Context, method, url, key string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := c.do(ctx, method, url, key, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("%s: %s %s: answer is not what this version understands: %w", c.path, method, url, err)
	}
	return nil
}

// do sends the request and turns statuses other than 200 into errors.
func (c *Client) do(ctx context.Context, method, url, key string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://getvpn"+url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set(control.IdempotencyKey, key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.path, err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	var r control.Reply
	if json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&r) != nil || r.Error == "" {
		r.Error = res.Status
	}
	return nil, control.Refused(r.Error)
}
