//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package dataset

import "os"

// readerLeft does not know: the next write tells.
func readerLeft(*os.File) bool { return false }
