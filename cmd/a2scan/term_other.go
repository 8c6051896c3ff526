//go:build !unix && !windows

package main

import "os"

// terminalWidth knows no terminals on this system.
func terminalWidth(*os.File) (columns int, ok bool) { return 0, false }
