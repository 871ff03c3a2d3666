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
	if f.StoreDelay > 0 {
		select {
		case <-time.After(f.StoreDelay):
		case <-d.ending: // what is left is written at once
		}
	}
	if f.StoreFails {
		return errFault
	}
	return d.store.Write(records)
}
