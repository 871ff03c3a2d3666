package esp

import "errors"

// Errors. Those of Open come back as they are, so that a flood of bad packets costs no allocation.
var (
	ErrKeyMaterial = errors.New("esp: keying material of the wrong length")
	ErrSuite       = errors.New("esp: no such suite")
	ErrSenderID    = errors.New("esp: sender id does not fit into the group's number of sender id bits")
	ErrNoSenderID  = errors.New("esp: no sender id, so this SA can only receive; register again to get one")
	ErrExhausted   = errors.New("esp: sequence numbers and IVs of all sender ids are used up; a new TEK or new sender ids are needed")
	ErrRoom        = errors.New("esp: buffer lacks headroom or tailroom")
	ErrMalformed   = errors.New("esp: packet is too short or not aligned")
	ErrAuth        = errors.New("esp: integrity check failed")
	ErrPadding     = errors.New("esp: padding of an authentic packet is wrong")
)
