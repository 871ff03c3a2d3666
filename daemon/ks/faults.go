package ks

import (
	"errors"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// errFault is what the store says when the configuration wants it to fail.
var errFault = errors.New("store: nothing was written, because the configuration says faults.store-fails")

// persist writes records as the configured faults have it.
func (d *Daemon) persist(records []machine.Record) error {
	f := d.faults.Load()
	d.dawdle(f.StoreDelay)
	if f.StoreFails {
		return errFault
	}
	return d.store.Write(records)
}

// dawdle waits, but not beyond the end: what is left is done at once.
func (d *Daemon) dawdle(t time.Duration) {
	if t > 0 {
		select {
		case <-time.After(t):
		case <-d.ending:
		}
	}
}

// What a module answers (PKCS #11 v3.0 §5.3) when the token was pulled out, and when it is full.
const (
	ckrDeviceMemory  = 0x31
	ckrDeviceRemoved = 0x32
)

// makes are the functions of a module that take a place in the token. C_CreateObject is none: what it makes here (the
// public half of another's transport key) lives in the session.
var makes = map[string]bool{"C_GenerateKey": true, "C_GenerateKeyPair": true, "C_UnwrapKey": true}

// tokenFault is a pkcs11.Options.Fault: each function of the module is as the configured faults have it.
func (d *Daemon) tokenFault(function string) uint {
	f := d.faults.Load()
	d.dawdle(f.TokenDelay)
	switch {
	case f.TokenGone:
		return ckrDeviceRemoved
	case f.TokenFull && makes[function]:
		return ckrDeviceMemory
	}
	return 0
}
