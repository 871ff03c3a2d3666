//go:build cgo

package pkcs11

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>

// What is called here has the layout that PKCS#11 gives CK_FUNCTION_LIST: a version, then the functions in their order.
typedef unsigned long (*login_t)(unsigned long session, unsigned long user, unsigned char *pin, unsigned long len);
struct functions { struct { unsigned char major, minor; } version; void (*f[19])(void); };
enum { c_login = 18 };

// login finds C_Login of a module that is loaded already, and calls it with the caller's octets. 0: it cannot be found.
static int login(const char *path, unsigned long session, unsigned long user, unsigned char *pin, unsigned long len, unsigned long *rv) {
	void *lib = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	if (!lib) return 0;
	unsigned long (*list)(struct functions **) = (unsigned long (*)(struct functions **))dlsym(lib, "C_GetFunctionList");
	struct functions *all = NULL;
	int ok = list && list(&all) == 0 && all && all->f[c_login];
	if (ok) *rv = ((login_t)all->f[c_login])(session, user, pin, len);
	dlclose(lib);
	return ok;
}
*/
import "C"

import (
	"errors"
	"unsafe"

	p11 "github.com/miekg/pkcs11"
)

// login logs in and wipes the PIN. The module gets the octets themselves: the binding's Login would make a copy on the C
// heap and leave it there.
func (a *api) login(path string, s p11.SessionHandle, pin []byte) error {
	defer clear(pin)
	return a.do("C_Login", func() error {
		file := C.CString(path)
		defer C.free(unsafe.Pointer(file))
		var rv C.ulong
		if C.login(file, C.ulong(s), p11.CKU_USER, (*C.uchar)(unsafe.SliceData(pin)), C.ulong(len(pin)), &rv) == 0 {
			return errors.New("the module has no C_Login")
		}
		if rv == p11.CKR_OK {
			return nil
		}
		return p11.Error(rv)
	})
}
