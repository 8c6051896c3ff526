package memory

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The test binary is its own child: it allocates as much memory as its argument, and ends
// when its standard input does.
func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv("TAKE_MEMORY")); err == nil {
		b := take(n)
		_, _ = io.Copy(io.Discard, os.Stdin)
		runtime.KeepAlive(b)
		return
	}
	os.Exit(m.Run())
}

// take touches n bytes.
func take(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	return b
}

// A child's memory is its own, however large its parent is.
func TestPeak(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	peak := func(n int) int64 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "TAKE_MEMORY="+strconv.Itoa(n))
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		w := Of(cmd.Process)
		// It lives until it was looked at, however late that is.
		require.Eventually(t, func() bool { return w.seen.Load() > int64(n) }, 20*time.Second, time.Millisecond)
		require.NoError(t, in.Close())
		require.NoError(t, cmd.Wait())
		return w.Peak(cmd.ProcessState)
	}
	require.Greater(t, peak(64<<20), int64(64<<20))

	ours := take(200 << 20)
	require.Greater(t, Self(), int64(len(ours)))
	require.Less(t, peak(1<<20), Self()/2, "or it is that of the parent")
	child := peak(50 << 20)
	require.Less(t, child, Self()/2, "likewise")
	require.Greater(t, child, int64(50<<20))
}
