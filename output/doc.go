// Package output is drafted.
package output
