package esp

import (
	"reflect"
	"unsafe"
)

// wipe overwrites the numbers (key schedule, hash key and its table) in the struct that a cipher of the standard library
// points to. The library offers no way to forget a key, and dropping the pointer leaves it in memory until the space is
// used again. TestDestroyLeavesNoKey notices if a new release keeps keys elsewhere.
func wipe(c any) {
	v := reflect.ValueOf(c)
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		wipeValue(v.Elem())
	}
}

func wipeValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			wipeValue(v.Field(i))
		}
	case reflect.Array:
		switch v.Type().Elem().Kind() {
		case reflect.Uint8, reflect.Uint32, reflect.Uint64:
			clear(unsafe.Slice((*byte)(unsafe.Pointer(v.UnsafeAddr())), int(v.Type().Size())))
		default:
			for i := range v.Len() {
				wipeValue(v.Index(i))
			}
		}
	}
}
