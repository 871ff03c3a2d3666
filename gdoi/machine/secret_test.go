package machine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestSecretShowsNothing(t *testing.T) {
	s := NewSecret([]byte("hunter2-hunter2"))
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", s)
	j, err := json.Marshal(map[string]any{"key": s})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"%v": fmt.Sprintf("%v", s), "%+v": fmt.Sprintf("%+v", s), "%#v": fmt.Sprintf("%#v", s), "%s": fmt.Sprintf("key %s", s),
		"in a struct": fmt.Sprintf("%+v", struct{ K *Secret }{s}), "log": log.String(), "json": string(j),
	} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "104 117") {
			t.Errorf("%s shows the secret: %s", name, text)
		}
	}
}

func TestSecretDestroy(t *testing.T) {
	b := []byte{1, 2, 3}
	s := TakeSecret(b)
	c := s.Clone()
	s.Destroy()
	s.Destroy()
	if !bytes.Equal(b, make([]byte, 3)) || s.Len() != 0 {
		t.Error("Destroy does not wipe")
	}
	if !c.Equal(NewSecret([]byte{1, 2, 3})) || c.Equal(s) {
		t.Error("a clone must not share, and Equal must tell")
	}
	var none *Secret
	none.Destroy()
	if none.Len() != 0 || none.Clone() != nil || !none.Equal(s) {
		t.Error("nil is an empty secret")
	}
}

func TestNowConverts(t *testing.T) {
	now := Now{Mono: 100, Wall: time.Unix(1000, 0)}
	if w := now.WallAt(now.Mono.Add(time.Minute)); !w.Equal(time.Unix(1060, 0)) {
		t.Errorf("WallAt = %v", w)
	}
	if m := now.MonoAt(time.Unix(999, 0)); m != Instant(100-time.Second) {
		t.Errorf("MonoAt = %v", m)
	}
}
