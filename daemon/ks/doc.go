// Package ks is the key server's composition root: it wires socket, store, custody, control socket and the machine of
// gdoi/node together, and translates between configuration, machine and console.
//
// Custody: all keys are in an hsm.Token, files or PKCS#11 (custody.OpenToken), whose calls are measured. The machine's Sign
// and KeyCall effects are carried out by workers of the loop; nothing else waits for them. Beside the loop a watch asks the
// token whether it is there (machine.CustodyState), and a mixer draws octets for TEKs ahead of time. With a custody section
// the state is sealed by the token, too; then a start takes the token once, and a restart finds KEKs in it by their names.
package ks
