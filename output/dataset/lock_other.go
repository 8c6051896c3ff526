//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package dataset

import "os"

// openAsIs has no flags for these systems.
const openAsIs = 0

// tryLock does nothing: the locks of these systems are none, or (on Windows) keep
// the process itself from writing to the file by another handle.
func tryLock(*os.File) error { return errNoLocks }

func unlock(*os.File) {}
