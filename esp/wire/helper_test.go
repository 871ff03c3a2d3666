package wire

import (
	"net/netip"
	"runtime"

	"github.com/vishvananda/netns"

	"github.com/getvpn/getvpn/esp/packet"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func checksum(b []byte) uint16 { return packet.Checksum(b) }

// inNetns runs f in a named namespace.
func inNetns[T any](name string, f func() (T, error)) (out T, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		var ns netns.NsHandle
		if ns, err = netns.GetFromName(name); err != nil {
			return
		}
		defer ns.Close()
		if err = netns.Set(ns); err != nil {
			return
		}
		out, err = f()
	}()
	<-done
	return out, err
}
