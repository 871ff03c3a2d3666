//go:build cgo

package pkcs11

/*
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

// What is freed is overwritten, and what is given is zero: the C library does so itself with every block, but with those that
// it keeps at hand for the thread. These are what scrub gets.
static void wipe_freed(void) {
#ifdef __GLIBC__
	mallopt(M_PERTURB, 0xff);
#endif
}

// Blocks of this size that the C library has just got back are the first that it gives again.
static void scrub(size_t n) {
	enum { blocks = 8 };
	void *p[blocks];
	for (int i = 0; i < blocks; i++) {
		p[i] = malloc(n);
		if (p[i]) { memset(p[i], 0, n); __asm__ __volatile__("" : : "r"(p[i]) : "memory"); }
	}
	for (int i = 0; i < blocks; i++) free(p[i]);
}
*/
import "C"

import (
	"unsafe"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// wipeFreed makes the C library wipe what modules and the binding free. OpenSSL keeps so many blocks at hand that a block of the
// binding may not be among those that scrub gets.
func wipeFreed() { C.wipe_freed() }

// withPIN runs a function of the library that takes a PIN, and wipes the copy on the C heap that the binding makes and frees.
func (a *api) withPIN(function string, pin []byte, f func(text string) error) error {
	var text string
	if len(pin) > 0 {
		text = unsafe.String(&pin[0], len(pin)) // no copy that nobody could wipe; it does not outlive this function
	}
	return a.do(function, func() error {
		err := f(text)
		C.scrub(C.size_t(len(pin) + 1))
		return err
	})
}

// wrapKey wraps a key, and wipes the copy that the binding makes on the C heap and frees: what is wrapped for a window of
// this process is as good as the key. The C heap keeps freed blocks by thread, and the caller is on one (see onThread).
func (a *api) wrapKey(s p11.SessionHandle, to hsm.TransportKey, public, key p11.ObjectHandle) ([]byte, error) {
	wrapped, err := a.WrapKey(s, oaepParams(to.OAEP), public, key)
	C.scrub(C.size_t(len(wrapped)))
	return wrapped, err
}
