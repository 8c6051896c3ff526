package dataset

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A pipe is not read, since it may have no writer.
func TestReadMetadataOfAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := ReadMetadata(path)
	require.ErrorIs(t, err, ErrNotRegular)
}
