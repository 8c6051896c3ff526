// Package mux is drafted.
package mux
