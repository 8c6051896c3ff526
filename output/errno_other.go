//go:build !windows

package output

import "syscall"

var (
	brokenPipeErrors []syscall.Errno
	noSpaceErrors    = []syscall.Errno{syscall.EDQUOT}
)
