//go:build cgo

package pkcs11

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// module is a vendor's library, loaded once in a process, however many tokens it has.
type module struct {
	path string
	ctx  *p11.Ctx
	refs int // under modulesMu

	// Calls into the library hold mu for reading; C_Initialize and C_Finalize take it for writing, and never wait for
	// long: a writer that waits would keep everybody out while one call hangs.
	mu    sync.RWMutex
	epoch uint64 // of the last C_Initialize
	up    bool
}

var (
	modulesMu sync.Mutex
	modules   = map[string]*module{}
)

// acquire loads the library, or takes the one that is loaded.
func acquire(path string) (*module, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	modulesMu.Lock()
	defer modulesMu.Unlock()
	m := modules[path]
	if m == nil {
		wipeFreed()
		ctx := p11.New(path)
		if ctx == nil {
			return nil, fmt.Errorf("hsm/pkcs11: %s cannot be loaded: is it a PKCS#11 module for this machine, and are the libraries that it needs there?", path)
		}
		m = &module{path: path, ctx: ctx}
		modules[path] = m
	}
	m.refs++
	return m, nil
}

// release finalises the library after its last user. It stays loaded: unloading what may have threads is not safe.
func (m *module) release() {
	modulesMu.Lock()
	defer modulesMu.Unlock()
	if m.refs--; m.refs == 0 && m.lock() {
		defer m.mu.Unlock()
		if m.up {
			_ = m.ctx.Finalize()
			m.up = false
		}
	}
}

const (
	lockPatience = time.Second
	lockPause    = 2 * time.Millisecond
)

// lock waits a short time until no call is in the library.
func (m *module) lock() bool { return patiently(m.mu.TryLock) }

// patiently tries until it succeeds, for a short time.
func patiently(try func() bool) bool {
	for end := time.Now().Add(lockPatience); ; time.Sleep(lockPause) {
		if try() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// begin initialises the library, anew unless somebody has since epoch.
func (m *module) begin(epoch uint64) error {
	if !m.lock() {
		return &errLost{token, "a call has not returned from " + m.path + ", so it cannot be initialised anew"}
	}
	defer m.mu.Unlock()
	if m.up && m.epoch > epoch {
		return nil
	}
	if m.up {
		_ = m.ctx.Finalize()
		m.up = false
	}
	if err := m.ctx.Initialize(); err != nil && !is(err, p11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return in("C_Initialize", err)
	}
	m.epoch++
	m.up = true
	return nil
}

// find returns the only slot whose token matches. The caller holds mu for reading.
func (m *module) find(api *api, want hsm.URI) (slot uint, found hsm.URI, info p11.TokenInfo, err error) {
	slots, err := m.ctx.GetSlotList(true)
	if err != nil {
		return 0, found, info, in("C_GetSlotList", err)
	}
	var seen, match []string
	for _, s := range slots {
		ti, err := api.GetTokenInfo(s)
		if err != nil || ti.Flags&p11.CKF_TOKEN_INITIALIZED == 0 {
			continue
		}
		u := uriOf(ti)
		seen = append(seen, u.String())
		if want.Matches(u) {
			slot, found, info = s, u, ti
			match = append(match, u.String())
		}
	}
	switch len(match) {
	case 1:
		return slot, found, info, nil
	case 0:
		return 0, found, info, &errLost{token, fmt.Sprintf("no token matches %s in %s, which has %d: %s", want.TokenURI(), m.path, len(seen), list(seen))}
	}
	return 0, found, info, fmt.Errorf("%w: %d tokens match %s: name the serial too: %s", errAmbiguous, len(match), want.TokenURI(), list(match))
}

// uriOf names a token; labels and serials are padded with blanks (and with NUL by some).
func uriOf(ti p11.TokenInfo) hsm.URI {
	trim := func(s string) string { return strings.ToValidUTF8(strings.TrimRight(s, " \x00"), "?") }
	return hsm.URI{Token: trim(ti.Label), Manufacturer: trim(ti.ManufacturerID), Serial: trim(ti.SerialNumber), Model: trim(ti.Model)}
}

func list(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}
