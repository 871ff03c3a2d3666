// Package pki judges certificates of phase-1 peers: the path to a trust anchor, what the certificate may be used for,
// revocation lists, and whether it speaks for the identity that the peer claims (RFC 4945, RFC 5280).
//
// It reads no file and no clock, and asks nobody over a network: anchors and revocation lists are given, time is an
// argument. A Trust does not change; a new revocation list makes a new Trust. What a certificate says leaves this
// package as a policy.Certificate, plain text, so that records and rules know nothing of X.509.
package pki
