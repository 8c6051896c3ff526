// Package proto is the client side of Valve's server queries, without the I/O.
package proto
