package osfile

import "syscall"

// Windows has numbers of its own for these; Go made up the POSIX names that syscall
// has there.
var (
	brokenPipeErrors = []syscall.Errno{109, 232} // ERROR_BROKEN_PIPE, ERROR_NO_DATA
	noSpaceErrors    = []syscall.Errno{39, 112}  // ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL
)
