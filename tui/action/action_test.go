package action

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// listening gives the key servers of a fleet control sockets, which note what they are asked.
func listening(t *testing.T, f *source.Fleet, asked *[]string) *source.Fleet {
	t.Helper()
	for i := range 3 {
		n := &f.Nodes[i]
		n.Socket = filepath.Join(t.TempDir(), n.Name)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: n.Socket})
		if err != nil {
			t.Fatal(err)
		}
		note := func(what string) (string, error) {
			*asked = append(*asked, n.Name+" "+what)
			return "done", nil
		}
		s := control.NewServer(control.Handlers{
			Handover: func(_ context.Context, r control.HandoverRequest) (string, error) { return note("handover " + r.To) },
			RemoveMember: func(_ context.Context, r control.RemoveMemberRequest) (string, error) {
				return note("remove " + r.Members[0])
			},
			Rotate: func(context.Context, control.RotateRequest) (string, error) { return note("rotate") },
			Rekey:  func(context.Context, control.RekeyRequest) (string, error) { return note("rekey") },
		}, new(control.Journal))
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		t.Cleanup(func() { _ = s.Close(context.Background()); <-done })
	}
	return f
}

// TestWhoIsAsked: commands find the primary; in a split, that of the side which they are about, or of all sides.
func TestWhoIsAsked(t *testing.T) {
	handover := func(to string) func(context.Context, *source.Fleet) (string, error) {
		return func(ctx context.Context, f *source.Fleet) (string, error) { return Handover(ctx, f, "blue", to) }
	}
	rotate := func(at string) func(context.Context, *source.Fleet) (string, error) {
		return func(ctx context.Context, f *source.Fleet) (string, error) { return Rotate(ctx, f, "blue", at) }
	}
	for _, row := range []struct {
		name  string
		fleet func() *source.Fleet
		do    func(context.Context, *source.Fleet) (string, error)
		asked string
	}{
		{"rekey", sourcetest.Coop, func(ctx context.Context, f *source.Fleet) (string, error) { return Rekey(ctx, f, "blue", false) }, "ks1 rekey"},
		{"rotation", sourcetest.Coop, rotate(""), "ks1 rotate"},
		{"rotation at a node", sourcetest.Coop, rotate("ks3"), "ks3 rotate"},
		{"rotation at an address", sourcetest.Coop, rotate("172.16.101.1"), "ks2 rotate"},
		{"handover to a node", sourcetest.Coop, handover("ks2"), "ks1 handover 2"},
		{"handover to an address", sourcetest.Coop, handover("172.16.102.1"), "ks1 handover 3"},
		{"handover to anybody", sourcetest.Coop, handover(""), "ks1 handover "},
		{"handover in a split", sourcetest.Split, handover("ks2"), "ks1 handover 2"},
		{"removal in a split", sourcetest.Split, func(ctx context.Context, f *source.Fleet) (string, error) {
			return RemoveMember(ctx, f, "blue", []string{"gm1"}, false)
		}, "ks3 remove 172.16.1.2, ks1 remove 172.16.1.2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var asked []string
			f := listening(t, row.fleet(), &asked)
			text, err := row.do(t.Context(), f)
			if got := strings.Join(asked, ", "); err != nil || got != row.asked || !strings.Contains(text, "done") {
				t.Errorf("asked %q, want %q; %q, %v", got, row.asked, text, err)
			}
		})
	}
	var asked []string
	if text, err := Handover(t.Context(), listening(t, sourcetest.Coop(), &asked), "blue", "ks9"); err == nil || !strings.Contains(err.Error(), "name") ||
		!strings.HasSuffix(err.Error(), ": ks1, ks2, ks3") || asked != nil {
		t.Errorf("handover to nobody: %q, %v; asked %q", text, err, asked)
	}
	if text, err := Rotate(t.Context(), listening(t, sourcetest.Coop(), &asked), "blue", "gm1"); err == nil || !strings.Contains(err.Error(), "gm1 is no key server") || asked != nil {
		t.Errorf("rotation at a member: %q, %v; asked %q", text, err, asked)
	}
	f := listening(t, sourcetest.Split(), &asked)
	f.Nodes[0].Socket += "-gone"
	if text, err := RemoveMember(t.Context(), f, "blue", []string{"gm1"}, false); err == nil || !strings.Contains(err.Error(), "but ks3") {
		t.Errorf("one side did not answer: %q, %v", text, err)
	}
}
