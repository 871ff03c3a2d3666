// Package link carries messages between two key servers.
package link
