package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm"
)

// tokenKey is the name of a key that is in the custody. Whether it is there, and is the one of the certificate, is known when
// the token is open.
func (d *decoder) tokenKey(into *hsm.URI, keep *Custody) func(*value) {
	return func(v *value) {
		d.hide(v) // who writes a PIN into a URI has it in no error
		if keep == nil {
			d.fail(v, "a key that is in no file is in the custody, and there is no section custody: write one, or key-file: PATH")
			return
		}
		word(d, into, func(s string) (hsm.URI, error) {
			u, err := hsm.ParseURI(s)
			switch {
			case err != nil:
				return u, fmt.Errorf("%s; a key is written pkcs11:object=LABEL", strings.TrimPrefix(err.Error(), hsm.ErrURI.Error()+": "))
			case u.ModulePath != "" || u.PINSource != "":
				return u, errors.New("module and PIN are those of the section custody; leave module-path and pin-source out")
			case u.Object == "":
				return u, errors.New("this names no key; write pkcs11:object=LABEL")
			case u.Type != "" && u.Type != "private":
				return u, fmt.Errorf("this names a %s; what signs is a private key: leave type out", u.Type)
			case !keep.Files && clash(u, keep.Token):
				return u, fmt.Errorf("the key is in another token than %s of the section custody, and there is one token: leave the token out here", keep.Token)
			}
			u.Type = ""
			return u, nil
		})(v)
	}
}

// clash tells whether both name tokens, and not the same one.
func clash(a, b hsm.URI) bool {
	for _, pair := range [][2]string{{a.Token, b.Token}, {a.Serial, b.Serial}, {a.Model, b.Model}, {a.Manufacturer, b.Manufacturer}} {
		if pair[0] != "" && pair[1] != "" && pair[0] != pair[1] {
			return true
		}
	}
	return false
}

// fitsToken refuses certificates whose keys no token of ours can have.
func (o *Certificate) fitsToken() error {
	if o.Method == suite.AuthECDSA521 {
		return fmt.Errorf("the certificate in %s has a key over P-521, which is not used in tokens here: take P-256, P-384 or RSA", o.File)
	}
	return nil
}

// KeyText is where the key is, as a person writes it.
func (o *Certificate) KeyText() string {
	if o.KeyFile != "" {
		return o.KeyFile
	}
	return o.TokenKey.String()
}

// InToken tells whether one of the keys is in the custody.
func (c *Certificates) InToken() bool {
	if c != nil {
		for i := range c.Own {
			if c.Own[i].KeyFile == "" {
				return true
			}
		}
	}
	return false
}
