//go:build race

package main

// memoryFactor is how much more memory a process may take than without the race
// detector, whose shadow is four times what it watches, and more.
const memoryFactor = 6
