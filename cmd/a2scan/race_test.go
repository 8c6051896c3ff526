//go:build race

package main

// memoryFactor is how much more memory a process may take than without the race
// detector, whose shadow comes to what it watches: 1.8 times the bound was seen.
const memoryFactor = 3
