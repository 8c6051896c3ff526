package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// leftovers are what a run may leave under a temporary name that is killed, or whose
// machine is.
func leftovers(t *testing.T) [][]byte {
	t.Helper()
	whole, err := fullMetadata().AppendJSON(nil)
	require.NoError(t, err)
	return [][]byte{whole, nil, whole[:1], whole[:9], whole[:300], make([]byte, 5000), append(whole[:300:300], make([]byte, 5000)...)}
}

// requireFiles looks which files there are in dir.
func requireFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	require.ElementsMatch(t, want, got)
}

// What runs have left that were killed is taken away, however much it is, and whether
// or not its name is needed.
func TestMetadataLeftovers(t *testing.T) {
	requireLocks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "m")
	left := leftovers(t)
	for _, names := range [][]int{{1}, {2}, {1, 2, 100}, nil} {
		if names == nil {
			for n := range maxTemps {
				names = append(names, n+1)
			}
		}
		for _, n := range names {
			require.NoError(t, os.WriteFile(temps{path: path}.name(n), left[n%len(left)], 0o644))
		}
		require.NoError(t, fullMetadata().WriteFile(path))
		requireFiles(t, dir, "m")
	}
}

// What another run is writing is not taken for that.
func TestMetadataOfOthersWhoWrite(t *testing.T) {
	requireLocks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "m")
	first := fullMetadata()
	first.Tool = "first"
	s, err := first.Stage(path)
	require.NoError(t, err)
	require.NoError(t, fullMetadata().WriteFile(path))
	requireFiles(t, dir, "m", "m.tmp")
	require.NoError(t, s.Commit())
	requireFiles(t, dir, "m")
	got, err := ReadMetadata(path)
	require.NoError(t, err)
	require.Equal(t, "first", got.Tool)

	// What has its place is not discarded under its old name, which is another's now.
	other, err := first.Stage(path)
	require.NoError(t, err)
	s.Discard()
	require.NoError(t, other.Commit())
	other.Discard()
	requireFiles(t, dir, "m")
}

// Many who write at once, and kills between them, disturb nobody.
func TestMetadataManyAtOnce(t *testing.T) {
	requireLocks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "m")
	left := leftovers(t)
	var wg sync.WaitGroup
	for i := range 8 {
		m := fullMetadata()
		wg.Go(func() {
			for n := range 40 {
				if i == 0 {
					name := temps{path: path}.name(n%4 + 1)
					if f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err == nil {
						_, _ = f.Write(left[n%len(left)])
						f.Close()
					}
					continue
				}
				if err := m.WriteFile(path); err != nil {
					t.Error(err)
				}
				if _, err := ReadMetadata(path); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, fullMetadata().WriteFile(path))
	requireFiles(t, dir, "m")
}

// Where there are no locks, what is much older than the new file is a leftover.
func TestTempsWithoutLocks(t *testing.T) {
	dir := t.TempDir()
	s := temps{filepath.Join(dir, "m"), func(*os.File) error { return errNoLocks }}
	live, err := s.write([]byte(`{"schema":1,"tool":"x"}`))
	require.NoError(t, err)
	for n := 2; n < 5; n++ {
		require.NoError(t, os.WriteFile(s.name(n), leftovers(t)[n], 0o644))
		old := time.Now().Add(-staleAfter - time.Hour)
		require.NoError(t, os.Chtimes(s.name(n), old, old))
	}
	require.NoError(t, os.WriteFile(s.name(4), []byte("notes"), 0o644))
	next, err := s.write(nil)
	require.NoError(t, err)
	requireFiles(t, dir, "m.tmp", "m.tmp4", "m.tmp5")
	require.NoError(t, next.rename(s.path))
	require.NoError(t, live.rename(s.path))
	live.remove()
	requireFiles(t, dir, "m", "m.tmp4")
	require.Equal(t, `{"schema":1,"tool":"x"}`, string(readFile(t, s.path)))
}

// A name whose file another process takes for a leftover, between making and locking, is
// left to that one.
func TestTempsTakenAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := temps{path: filepath.Join(dir, "m")}
	s.lock = func(f *os.File) error {
		if filepath.Base(f.Name()) == "m.tmp" {
			return os.Remove(f.Name()) // by another, and then it is locked
		}
		if filepath.Base(f.Name()) == "m.tmp2" {
			return ErrLocked
		}
		return nil
	}
	f, err := s.create()
	require.NoError(t, err)
	require.Equal(t, s.name(3), f.name)
	f.remove()
	requireFiles(t, dir, "m.tmp2")
}

// Links are not followed, and files that hold something else stay.
func TestTempsOfOthers(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "m"), filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, leftovers(t)[0], 0o644))
	want := []string{"m", "other"}
	if os.Symlink("other", path+".tmp") == nil {
		want = append(want, "m.tmp")
	}
	for i, text := range []string{"notes", `{"schema":1,"seq":0,"ip":null`, "\x00\x00 ", `{"my":1}`} {
		name := fmt.Sprintf("m.tmp%d", i+2)
		want = append(want, name)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	require.NoError(t, os.Mkdir(path+".tmp9", 0o755))
	for range 2 {
		require.NoError(t, fullMetadata().WriteFile(path))
		requireFiles(t, dir, append(want, "m.tmp9")...)
	}
	require.Equal(t, leftovers(t)[0], readFile(t, other))
}
