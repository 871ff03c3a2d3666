// Package gdoi holds the domain types of the Group Domain of Interpretation (RFC 6407): keys, their names, and what a
// member tells its data plane.
package gdoi
