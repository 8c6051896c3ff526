//go:build unix

package run

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// peakRSS returns the most memory that an ended process held, 0 where that is
// not known.
func peakRSS(s *os.ProcessState) int64 {
	ru, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return maxRSS(ru)
}

func maxRSS(ru *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(ru.Maxrss) // in bytes; elsewhere in KiB
	}
	return int64(ru.Maxrss) << 10
}

// selfUsage returns what this process has cost so far: processor time in
// seconds and the most memory held.
func selfUsage() (cpu float64, rss int64) {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0, 0
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(ru.Utime) + seconds(ru.Stime), maxRSS(&ru)
}

// detach keeps a terminal's Ctrl-C from cmd: whoever starts it ends it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
