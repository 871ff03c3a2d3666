package isakmp

import (
	"bytes"
	"reflect"
	"testing"
)

const (
	// lkhKeysHex is a leaf and the KEK above it, with data of 4 octets.
	lkhKeysHex     = "0801 03 00 00000001 00000002 0a0b0c0d 11121314  ffff 03 00 00000000 00000000 00000007 21222324"
	lkhDownloadHex = "01 0002 00 " + lkhKeysHex
	lkhUpdateHex   = "01 0002 00 0002 0000 00000005 " + lkhKeysHex
)

var lkhKeys = []LKHKey{
	{0x0801, 3, 1, 2, 0x0a0b0c0d, unhex("11121314")}, {0xffff, 3, 0, 0, 7, unhex("21222324")},
}

func TestLKHArrays(t *testing.T) {
	d, err := ParseLKHDownload(unhex(lkhDownloadHex))
	if err != nil || !reflect.DeepEqual(d.Keys, lkhKeys) {
		t.Errorf("download array: %+v, %v", d, err)
	}
	if out := d.AppendTo(nil); !bytes.Equal(out, unhex(lkhDownloadHex)) || len(out) != d.Len() {
		t.Errorf("download array written as %x, Len %d", out, d.Len())
	}
	u, err := ParseLKHUpdate(unhex(lkhUpdateHex))
	if err != nil || u.ID != 2 || u.Handle != 5 || !reflect.DeepEqual(u.Keys, lkhKeys) {
		t.Errorf("update array: %+v, %v", u, err)
	}
	if out := u.AppendTo(nil); !bytes.Equal(out, unhex(lkhUpdateHex)) || len(out) != u.Len() {
		t.Errorf("update array written as %x, Len %d", out, u.Len())
	}
}

func TestLKHArraysRefused(t *testing.T) {
	for _, c := range []struct{ name, download, update string }{
		{"version 2", "02 0002 00 " + lkhKeysHex, "02 0002 00 0002 0000 00000005 " + lkhKeysHex},
		{"no keys", "01 0000 00", "01 0000 00 0002 0000 00000005"},
		{"65 keys", "01 0041 00 " + lkhKeysHex, "01 0041 00 0002 0000 00000005 " + lkhKeysHex},
		{"keys of unequal length", "01 0002 00 " + lkhKeysHex + "00", "01 0002 00 0002 0000 00000005 " + lkhKeysHex + "00"},
		{"keys without data", "01 0001 00 0801 03 00 00000001 00000002 0a0b0c0d", "01 0001 00 0002 0000 00000005 0801 03 00 00000001 00000002 0a0b0c0d"},
		{"reserved in the header", "01 0002 01 " + lkhKeysHex, "01 0002 00 0002 0001 00000005 " + lkhKeysHex},
		{"reserved in a key", "01 0001 00 0801 03 01 00000001 00000002 0a0b0c0d 11121314", "01 0001 00 0002 0000 00000005 0801 03 01 00000001 00000002 0a0b0c0d 11121314"},
		{"cut short", "01 0002", "01 0002 00 0002 0000 0000"},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseLKHDownload(unhex(c.download))
			malformed(t, err)
			_, err = ParseLKHUpdate(unhex(c.update))
			malformed(t, err)
		})
	}
}

func FuzzLKHDownload(f *testing.F) {
	f.Add(unhex(lkhDownloadHex))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseLKHDownload(b)
		if err != nil {
			malformed(t, err)
			return
		}
		if out := p.AppendTo(nil); !bytes.Equal(out, b) || p.Len() != len(b) {
			t.Fatalf("read  %x\nwrote %x", b, out)
		}
	})
}

func FuzzLKHUpdate(f *testing.F) {
	f.Add(unhex(lkhUpdateHex))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseLKHUpdate(b)
		if err != nil {
			malformed(t, err)
			return
		}
		if out := p.AppendTo(nil); !bytes.Equal(out, b) || p.Len() != len(b) {
			t.Fatalf("read  %x\nwrote %x", b, out)
		}
	})
}
