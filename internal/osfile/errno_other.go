//go:build !windows

package osfile

import "syscall"

var (
	brokenPipeErrors []syscall.Errno
	noSpaceErrors    = []syscall.Errno{syscall.EDQUOT, syscall.EFBIG} // EFBIG: ulimit -f, or the file system's own limit
)
