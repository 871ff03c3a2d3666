// Package remains looks for secrets where they must not be: in the memory of a running process, in files and in text.
//
//	Secret ── forms (octets, reversed, words swapped, hex, base64) ── Finder ── Memory | Files | Text ── Find
//
// A piece of a secret is found too, from 8 octets on, at any place: a half that a cipher or a hash has left behind is a
// leak. Every Find in memory says whose memory it is: this program's (the Go heap, stacks of goroutines, globals) or that
// of C code in the same process (its heap, its stacks, its libraries), which is where a PKCS#11 module works.
//
// Nothing is concluded from a scan that finds nothing, unless the same scan has found a secret that was there.
package remains
