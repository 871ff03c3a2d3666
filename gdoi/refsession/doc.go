// Package refsession is one whole GDOI session of another implementation, for tests: the packets of the Cisco GDOI
// reference program of 2011 and every key, IV, hash and plaintext in them (testdata/README.md says where it is from).
//
//	frame   1-6   Main Mode, 3DES-CBC, SHA-1, MODP-1024, pre-shared key; 5 and 6 are encrypted
//	        7-10  GROUPKEY-PULL, messages 1 to 4
//	        11    GROUPKEY-PUSH, SEQ 1: two TEKs
//	        12    GROUPKEY-PUSH, SEQ 2: a third TEK
//	        13    GROUPKEY-PUSH, SEQ 3: Delete of all three TEKs
//
// The package's own tests take the session apart with isakmp and suite and recompute all of it. Tests of other packages
// may import it for seeds and golden messages; programs must not.
package refsession
