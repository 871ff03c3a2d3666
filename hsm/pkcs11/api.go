//go:build cgo

package pkcs11

import (
	p11 "github.com/miekg/pkcs11"
)

// api is the library as one Token uses it: with the names of functions in errors, and with faults in tests.
type api struct {
	*p11.Ctx
	fault func(string) uint
}

func (a *api) before(function string) error {
	if rv := a.fault(function); rv != 0 {
		return in(function, p11.Error(rv))
	}
	return nil
}

// do runs a function of the library by name.
func (a *api) do(function string, f func() error) error {
	if err := a.before(function); err != nil {
		return err
	}
	var err error
	onThread(func() { err = f() })
	return in(function, err)
}

func get[T any](a *api, function string, f func() (T, error)) (T, error) {
	var none T
	if err := a.before(function); err != nil {
		return none, err
	}
	var v T
	var err error
	onThread(func() { v, err = f() })
	return v, in(function, err)
}

func (a *api) GetTokenInfo(slot uint) (p11.TokenInfo, error) {
	return get(a, "C_GetTokenInfo", func() (p11.TokenInfo, error) { return a.Ctx.GetTokenInfo(slot) })
}

// find returns the handles of up to max objects.
func (a *api) find(s p11.SessionHandle, max int, template ...*p11.Attribute) ([]p11.ObjectHandle, error) {
	if err := a.do("C_FindObjectsInit", func() error { return a.FindObjectsInit(s, template) }); err != nil {
		return nil, err
	}
	var all []p11.ObjectHandle
	var err error
	for len(all) < max {
		var some []p11.ObjectHandle
		if some, _, err = a.FindObjects(s, max-len(all)); err != nil || len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	if final := a.FindObjectsFinal(s); err == nil {
		err = final
	}
	return all, in("C_FindObjects", err)
}

// attrs reads attributes; what is missing is nil. A token that lacks one fails the whole call, and then they are read one
// by one.
func (a *api) attrs(s p11.SessionHandle, o p11.ObjectHandle, types ...uint) ([][]byte, error) {
	ask := make([]*p11.Attribute, len(types))
	for i, t := range types {
		ask[i] = attr(t, nil)
	}
	got, err := get(a, "C_GetAttributeValue", func() ([]*p11.Attribute, error) { return a.GetAttributeValue(s, o, ask) })
	lacks := is(err, p11.CKR_ATTRIBUTE_TYPE_INVALID, p11.CKR_ATTRIBUTE_SENSITIVE)
	if err != nil && !lacks {
		return nil, err
	}
	out := make([][]byte, len(types))
	for i := range got {
		out[i] = got[i].Value
	}
	if lacks && len(types) > 1 {
		for i, t := range types {
			one, err := a.attrs(s, o, t)
			if err != nil {
				return nil, err
			}
			out[i] = one[0]
		}
	}
	return out, nil
}

func attr(t uint, v any) *p11.Attribute { return p11.NewAttribute(t, v) }

func mech(t uint, param any) []*p11.Mechanism { return []*p11.Mechanism{p11.NewMechanism(t, param)} }

// yes reads a CK_BBOOL.
func yes(b []byte) bool { return len(b) == 1 && b[0] != 0 }

// number reads a CK_ULONG of this machine.
func number(b []byte) uint {
	var n uint
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | uint(b[i])
	}
	return n
}
