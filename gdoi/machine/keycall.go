package machine

import "errors"

// KeyOp is what a key custody is asked to do with a KEK that it keeps.
type KeyOp uint8

// Operations. A key has a name; nobody but the custody has its value, but for Reveal.
const (
	// KeyGenerate makes the key: Bits long, able to leave wrapped. A key of that name that is there already stays, and is success.
	KeyGenerate KeyOp = iota + 1
	// KeyReveal returns the value: GDOI puts the KEK in clear into the registration (RFC 6407 §5.6.2), so the process must
	// see it, for the one step that builds the message. Whoever takes the answer wipes it in that step.
	KeyReveal
	// KeyEncrypt encrypts Data, whole blocks, with AES-CBC under IV.
	KeyEncrypt
	// KeyWrap wraps the key for the holder of To, another custody's transport key as that custody wrote it.
	KeyWrap
	// KeyUnwrap makes the key, Bits long, of Data, which was wrapped for our transport key. One of that name that is there
	// already stays, and is success.
	KeyUnwrap
	// KeyDestroy removes the key. One that is not there is success.
	KeyDestroy
)

// KeyCall asks the custody for an operation on a KEK; the shell answers with KeyDone. A token may take 100 ms or be gone,
// so this is an effect and not a call.
type KeyCall struct {
	ID   OpID
	Op   KeyOp
	Key  string
	Bits int
	IV   []byte
	// Data is wiped by the shell when the operation is done: a PUSH to be encrypted has keys in it.
	Data []byte
	To   []byte
}

// KeyDone answers a KeyCall. The machine owns Data.
type KeyDone struct {
	ID   OpID
	Data []byte // of KeyReveal, KeyEncrypt, KeyWrap
	Err  error
}

// ErrNoKey is what a KeyDone's Err wraps when the custody answers and does not have the key: asking again is of no use. Other
// errors may pass.
var ErrNoKey = errors.New("machine: the key custody does not have the key")

// CustodyState is an event: the custody was lost, and why, or is there again ("").
type CustodyState struct{ Problem string }

// MachineEffect marks the type.
func (KeyCall) MachineEffect() {}

// MachineEvent marks the type.
func (KeyDone) MachineEvent() {}

// MachineEvent marks the type.
func (CustodyState) MachineEvent() {}
