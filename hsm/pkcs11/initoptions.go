package pkcs11

import (
	"fmt"

	"github.com/getvpn/getvpn/hsm"
)

// InitOptions choose a token that is to be initialised.
type InitOptions struct {
	// Module is the path of the vendor's library.
	Module string
	// Token has the label that the token gets; its serial chooses among several.
	Token hsm.URI
	// OfficerPIN is the security officer's. A token that was initialised before wants the one that it had.
	OfficerPIN PIN
	// PIN is the user's, with which daemons log in.
	PIN PIN
	// Wipe allows to initialise a token that is initialised: all that it holds is destroyed.
	Wipe bool
}

// maxLabel is the room that PKCS#11 has for a label, in octets.
const maxLabel = 32

func (o *InitOptions) check() error {
	switch {
	case o.Module == "":
		return fmt.Errorf("hsm/pkcs11: no module: name the path of the vendor's library")
	case o.Token.Token == "":
		return fmt.Errorf("hsm/pkcs11: no label: name the token (pkcs11:token=...)")
	case len(o.Token.Token) > maxLabel:
		return fmt.Errorf("hsm/pkcs11: the label %q has %d octets; a token has room for %d", o.Token.Token, len(o.Token.Token), maxLabel)
	case o.OfficerPIN == nil || o.PIN == nil:
		return fmt.Errorf("hsm/pkcs11: the security officer and the user need a PIN each")
	}
	return nil
}

// TokenState is a token as anybody may see it.
type TokenState struct {
	URI            hsm.URI
	Initialised    bool // it has a label and a security officer
	PINSet         bool // and a user
	PINLow         bool // wrong PINs were tried: a few more lock the user out
	PINLocked      bool
	WriteProtected bool
	MinPIN, MaxPIN int // octets

	slot uint
}
