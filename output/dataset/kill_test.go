//go:build unix

package dataset

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain turns the test's own binary into the writer that TestKilled kills.
func TestMain(m *testing.M) {
	if path := os.Getenv("A2SCAN_TEST_WRITE"); path != "" {
		writeForever(path)
	}
	os.Exit(m.Run())
}

// writeForever writes records with rising seq until it is killed. After some megabytes it
// waits for that, should it come late.
func writeForever(path string) {
	s, err := Create(path, CompressAuto)
	if err != nil {
		panic(err)
	}
	for seq := uint64(0); ; {
		for range 10 {
			if err := s.WriteLines(recordLine(seq)); err != nil {
				panic(err)
			}
			seq++
		}
		if _, err := s.Sync(); err != nil {
			panic(err)
		}
		if seq > 20_000 {
			time.Sleep(time.Hour)
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// A run that is killed leaves the records up to the last frame, without a gap,
// and Load makes a file of them that can be appended to.
func TestKilled(t *testing.T) {
	for c, name := range endings {
		t.Run(c.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "A2SCAN_TEST_WRITE="+path)
			require.NoError(t, cmd.Start())
			require.Eventually(t, func() bool {
				info, err := os.Stat(path)
				return err == nil && info.Size() > 10<<10
			}, 20*time.Second, time.Millisecond)
			require.NoError(t, cmd.Process.Kill())
			require.Error(t, cmd.Wait())

			var next uint64
			kept, err := recoverFile(path, func(line []byte) error {
				seq, ok := seqOf(line)
				require.True(t, ok, "%s", line)
				require.Equal(t, next, seq)
				next++
				return nil
			})
			require.NoError(t, err)
			require.Equal(t, c, kept.Compression)
			require.GreaterOrEqual(t, kept.Lines, int64(10))
			require.Len(t, unpack(t, c, readFile(t, path)), int(kept.Bytes))
		})
	}
}
