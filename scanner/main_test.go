package scanner

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails where a test has left a goroutine behind.
func TestMain(m *testing.M) {
	status := m.Run()
	if status == 0 {
		if left := goroutinesLeft(5 * time.Second); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "%d goroutines were left behind:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
			status = 1
		}
	}
	os.Exit(status)
}

// goroutinesLeft returns the stacks of goroutines other than the caller's, those that
// have not ended after patience.
func goroutinesLeft(patience time.Duration) []string {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		var left []string
		for i, stack := range strings.Split(string(buf), "\n\n") {
			switch {
			case i == 0: // the caller
			case strings.Contains(stack, "testing.RunTests"), strings.Contains(stack, "testing.(*T).Run("):
			case strings.Contains(stack, "os/signal."), strings.Contains(stack, "runtime.ensureSigM"):
			default:
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}
