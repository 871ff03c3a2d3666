// Package isakmp is the wire format of ISAKMP, IKEv1 phase 1 and GDOI.
package isakmp
