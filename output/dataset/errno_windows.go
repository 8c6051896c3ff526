package dataset

import "syscall"

// Windows has numbers of its own for these; the POSIX names that syscall keeps
// there are made up by Go.
var (
	brokenPipeErrors = []syscall.Errno{109, 232} // ERROR_BROKEN_PIPE, ERROR_NO_DATA
	noSpaceErrors    = []syscall.Errno{39, 112}  // ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL
)
