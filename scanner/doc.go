// Package scanner runs a scan: an Engine that is all targets, deadlines and
// rates without sockets or clock, and a Scanner that gives it both.
package scanner
