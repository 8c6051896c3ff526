// Package arch holds tests about the tree itself: which package may import
// which, where unsafe may stand, and that whatever reads foreign bytes is
// fuzzed. There is nothing in it to import.
package arch
