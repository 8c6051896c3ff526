package dataset

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// fileLimit returns functions that set and remove a limit on the size of files, which
// simulates a full disk.
func fileLimit(t *testing.T) (limit func(size uint64), unlimit func()) {
	t.Helper()
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	set := func(l syscall.Rlimit) { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)) }
	signal.Ignore(syscall.SIGXFSZ)
	unlimit = func() { set(before) }
	t.Cleanup(func() {
		unlimit()
		signal.Reset(syscall.SIGXFSZ)
	})
	return func(size uint64) { set(syscall.Rlimit{Cur: size, Max: before.Max}) }, unlimit
}

// A disk that fills up in the middle of a batch: the file ends with the last
// whole batch or frame. A limit on the size of files simulates the disk.
func TestSinkCutsPartialWrite(t *testing.T) {
	limit, unlimit := fileLimit(t)
	for c, name := range endings {
		path := filepath.Join(t.TempDir(), name)
		s, err := Create(path, CompressAuto)
		require.NoError(t, err)
		require.NoError(t, s.WriteLines(lines(0, 20)))
		committed, err := s.Sync()
		require.NoError(t, err)

		limit(uint64(committed) + 10)
		err = failAfter(t, s)
		unlimit()

		require.ErrorIs(t, err, syscall.EFBIG)
		b := readFile(t, path)
		require.Len(t, b, int(committed), c)
		require.Equal(t, string(lines(0, 20)), string(unpack(t, c, b)))
	}
}

// If another program has changed the file, a failed write does not cut it back: that would
// remove the other program's bytes, or put zeros where it has cut the file.
func TestSinkCutsNothingOfOthers(t *testing.T) {
	limit, unlimit := fileLimit(t)
	for name, others := range map[string]string{"shorter": "", "longer": strings.Repeat("theirs\n", 2000)} {
		path := filepath.Join(t.TempDir(), name)
		s, err := Create(path, CompressAuto)
		require.NoError(t, err)
		require.NoError(t, s.WriteLines(lines(0, 20)))
		require.NoError(t, os.WriteFile(path, []byte(others), 0o666))
		size := uint64(len(others)) + 10
		limit(size)
		err = s.WriteLines(lines(20, 20))
		unlimit()
		require.ErrorIs(t, err, syscall.EFBIG)
		require.Error(t, s.Close())
		b := string(readFile(t, path))
		require.Equal(t, others+string(lines(20, 20))[:10], b)
	}
}

// A file that other programs change while it is written is an error at the end, and
// nothing else is destroyed.
func TestSinkTellsWhatOthersDid(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(path string) error
		want error
	}{
		{"nothing", func(string) error { return nil }, nil},
		{"removed", os.Remove, ErrGone},
		{"renamed", func(path string) error { return os.Rename(path, path+".1") }, ErrGone},
		{"replaced", func(path string) error {
			return errors.Join(os.WriteFile(path+".new", []byte("theirs"), 0o600), os.Rename(path+".new", path))
		}, ErrReplaced},
		{"behind another link", func(path string) error {
			return errors.Join(os.Rename(path, path+".1"), os.Symlink(path+".1", path))
		}, nil},
		{"cut", func(path string) error { return os.Truncate(path, 0) }, ErrChanged},
		{"written to", func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("theirs\n")
			return errors.Join(err, f.Close())
		}, ErrChanged},
	} {
		for c, name := range endings {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), name)
				s, err := Create(path, CompressAuto)
				require.NoError(t, err)
				require.NoError(t, s.WriteLines(lines(0, 20)))
				_, err = s.Sync()
				require.NoError(t, err)
				require.NoError(t, test.do(path))
				require.NoError(t, s.WriteLines(lines(20, 1)))
				err = s.Close()
				require.ErrorIs(t, err, test.want)
				if err != nil {
					require.ErrorContains(t, err, path)
				}
				switch test.name {
				case "cut": // later lines are at the beginning, not behind zeros
					require.Equal(t, string(lines(20, 1)), string(unpack(t, c, readFile(t, path))))
				case "replaced":
					require.Equal(t, "theirs", string(readFile(t, path)))
				case "renamed":
					require.Equal(t, string(lines(0, 21)), string(unpack(t, c, readFile(t, path+".1"))))
				}
			})
		}
	}
}
