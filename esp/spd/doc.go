// Package spd is the security policy database of RFC 4301 §4.4.1 in the form that GET VPN gives it: per group an ordered access list.
package spd
