// Package ks is the key server's composition root: it wires socket, store, custody, control socket and the machine of
// gdoi/node together, and translates between configuration, machine and console.
package ks
