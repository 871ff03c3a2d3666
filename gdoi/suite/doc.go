// Package suite is the registry of algorithms: hashes and pseudo-random functions, Diffie-Hellman groups, CBC
// ciphers, the key derivation of IKEv1 phase 1, signature forms, and the cipher suites of KEK and TEK, each with its
// text form (configuration), its wire numbers and its lengths. What is not listed here, the program does not speak.
//
// RFCs: 2409 §5 and App. A, B (keys, numbers), 3526 (group 14), 5903 (groups 19, 20), 3602 (AES-CBC), 4868 (SHA-2),
// 6407 §5.3, §5.5 (KEK and ESP suites, signatures), 4106 (AES-GCM in ESP).
//
// Everything is a pure function of its arguments; randomness comes from machine.Env. Values may be used by one
// goroutine at a time.
package suite

import "errors"

// Errors that callers tell apart; the texts around them say what to change.
var (
	// ErrUnknown is an algorithm that this program does not speak.
	ErrUnknown = errors.New("suite: unknown algorithm")
	// ErrNotAllowed is an algorithm that is known, but refused unless the configuration allows it by name.
	ErrNotAllowed = errors.New("suite: algorithm is not allowed")
	// ErrPublicValue is a peer's Diffie-Hellman value that is not a valid member of the group.
	ErrPublicValue = errors.New("suite: invalid Diffie-Hellman value of the peer")
	// ErrSignature is a signature that does not verify.
	ErrSignature = errors.New("suite: signature does not verify")
	// ErrLength is a key, IV or ciphertext of the wrong length.
	ErrLength = errors.New("suite: wrong length")

	errOver = errors.New("suite: this Diffie-Hellman exchange has ended")
)
