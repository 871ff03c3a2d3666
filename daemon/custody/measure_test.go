package custody

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/soft"
)

// slow is a token whose signatures take as long as a test's clock says.
type slow struct {
	hsm.Token
	clock *time.Time
	takes time.Duration
	fails error
}

func (s *slow) Sign(ctx context.Context, key string, scheme hsm.Scheme, hash crypto.Hash, digest []byte) ([]byte, error) {
	*s.clock = s.clock.Add(s.takes)
	if s.fails != nil {
		return nil, s.fails
	}
	return s.Token.Sign(ctx, key, scheme, hash, digest)
}

func measuredStore(t *testing.T) (*Measured, *slow, *time.Time) {
	t.Helper()
	store, err := soft.Open(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	s := &slow{Token: store, clock: &now}
	m := Measure(s)
	m.now = func() time.Time { return now }
	return m, s, &now
}

func latency(t *testing.T, m *Measured, operation string) control.CustodyLatency {
	t.Helper()
	for _, l := range m.meter.list() {
		if l.Operation == operation {
			return l
		}
	}
	t.Fatalf("no call of %s was counted", operation)
	return control.CustodyLatency{}
}

func TestCallsAreMeasured(t *testing.T) {
	m, s, _ := measuredStore(t)
	ctx, digest := t.Context(), sha256.Sum256([]byte("digest"))
	if err := m.Ensure(ctx, "rekey", hsm.Spec{Kind: hsm.RSA2048, Use: hsm.Sign}); err != nil {
		t.Fatal(err)
	}
	for _, took := range []time.Duration{time.Millisecond, 3 * time.Millisecond, 100 * time.Millisecond, 7 * time.Second} {
		s.takes = took
		if _, err := m.Sign(ctx, "rekey", hsm.RSAPKCS1v15, crypto.SHA256, digest[:]); err != nil {
			t.Fatal(err)
		}
	}
	s.fails = hsm.ErrUnavailable
	if _, err := m.Sign(ctx, "rekey", hsm.RSAPKCS1v15, crypto.SHA256, digest[:]); !errors.Is(err, hsm.ErrUnavailable) {
		t.Fatalf("the failure of the token became %v", err)
	}
	l := latency(t, m, "sign")
	if l.Count != 4 || l.Failed != 1 || l.Max != 7000 || l.P50 != 5 || l.P99 != 7000 || l.Mean != (1+3+100+7000)/4. {
		t.Errorf("4 signatures and a failure are shown as %+v", l)
	}
	for i, want := range map[int]uint64{0: 1, 2: 1, 6: 1, len(control.CustodyBounds): 1} {
		if l.Buckets[i] != want {
			t.Errorf("bucket %d has %d calls instead of %d: %v", i, l.Buckets[i], want, l.Buckets)
		}
	}
	if l.Last != hsm.ErrUnavailable.Error() || l.LastAt.IsZero() {
		t.Errorf("the last failure is %q at %v", l.Last, l.LastAt)
	}
	if err := m.Destroy(ctx, "absent"); !errors.Is(err, hsm.ErrNoKey) {
		t.Fatal(err)
	}
	if l := latency(t, m, "destroy"); l.Count != 1 || l.Failed != 0 {
		t.Errorf("that there is no key is an answer, and was counted as %+v", l)
	}
}

func TestInventoryIsReadWhileSomebodyLooks(t *testing.T) {
	synctest.Test(t, testInventoryIsRead)
}

func testInventoryIsRead(t *testing.T) {
	m, _, now := measuredStore(t)
	ctx := t.Context()
	if err := m.Ensure(ctx, "one", hsm.Spec{Kind: hsm.AES256, Use: hsm.Encrypt, Movable: true}); err != nil {
		t.Fatal(err)
	}
	reads, list := 0, m.keys.list
	m.keys.list = func(ctx context.Context) ([]hsm.KeyInfo, error) {
		reads++
		return list(ctx)
	}
	// look has a snapshot taken, and waits for the reading that it began, if it did.
	look := func() bool {
		before := reads
		m.Snapshot()
		synctest.Wait()
		return reads > before
	}
	if !look() {
		t.Fatal("the first look reads nothing")
	}
	c := m.Snapshot()
	if len(c.Keys) != 1 || c.Keys[0].Name != "one" || !c.Keys[0].Movable || c.Keys[0].Kind != "AES-256" || c.Keys[0].Use != "encrypt" || !c.KeysAt.Equal(*now) {
		t.Fatalf("the inventory is %+v at %v", c.Keys, c.KeysAt)
	}
	if look() {
		t.Error("the keys are read again though nothing has changed")
	}
	if err := m.Ensure(ctx, "two", hsm.Spec{Kind: hsm.P256, Use: hsm.Sign}); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(inventoryRetry)
	if !look() {
		t.Error("a new key is not looked for")
	}
	if c := m.Snapshot(); len(c.Keys) != 2 {
		t.Errorf("the inventory has %d keys instead of 2", len(c.Keys))
	}
	*now = now.Add(inventoryAge)
	if !look() {
		t.Error("what others have made is never looked for")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if *now = now.Add(time.Hour); look() {
		t.Error("a custody that is closed is asked for its keys")
	}
}

// TestSnapshotHoldsNoMaterial compares all that a console gets with the value of a key.
func TestSnapshotHoldsNoMaterial(t *testing.T) {
	m, _, _ := measuredStore(t)
	if err := m.Ensure(t.Context(), "kek-1", hsm.Spec{Kind: hsm.AES256, Use: hsm.Encrypt, Movable: true}); err != nil {
		t.Fatal(err)
	}
	w, err := hsm.NewWindow()
	if err != nil {
		t.Fatal(err)
	}
	value, err := w.Reveal(t.Context(), m, "kek-1")
	if err != nil || len(value) != 32 {
		t.Fatalf("the key of the test has no value: %v", err)
	}
	keys, err := m.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(Describe(m.Info(), keys))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "kek-1") {
		t.Errorf("the snapshot lacks the name of the key: %s", text)
	}
	for _, form := range []string{string(value), hex.EncodeToString(value), base64.StdEncoding.EncodeToString(value)} {
		if strings.Contains(string(text), form) {
			t.Errorf("the snapshot has the value of a key: %s", text)
		}
	}
}

func TestDegradedSaysWhatDoesNotWork(t *testing.T) {
	c := Describe(hsm.Info{Ready: false, Problem: "gone", Queue: hsm.Queue{Limit: 4, Waiting: 3}}, []hsm.KeyInfo{{Name: "bad", Problem: "it can be read"}})
	c.KEKs = control.CustodyToken
	Degrade(c)
	text := strings.Join(c.Degraded, "\n")
	for _, want := range []string{"no rekey is signed", "no member registers here", "3 of 4 places", "key bad is not used: it can be read"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	well := Describe(hsm.Info{Ready: true}, nil)
	if Degrade(well); len(well.Degraded) != 0 {
		t.Errorf("a custody that is well is said to be degraded: %q", well.Degraded)
	}
}
