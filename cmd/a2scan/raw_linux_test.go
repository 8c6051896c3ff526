package main

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

// What a record with raw datagrams leaves out is said, and what was taken is never it.
func TestRawLeftOutIsSaid(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer conn.Close()
	info := []byte("\xFF\xFF\xFF\xFFI\x11name\x00map\x00dir\x00game\x00\x0a\x00\x03\x20\x01dl\x00\x011.0\x00")
	go func() {
		b := make([]byte, 100)
		for {
			_, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			for range 6 {
				_, _ = conn.WriteTo(make([]byte, 60_000), from)
				time.Sleep(5 * time.Millisecond) // a small buffer holds few of them
			}
			_, _ = conn.WriteTo(info, from)
		}
	}()
	dir := t.TempDir()
	path := filepath.Join(dir, "raw.ndjson")
	status, stderr := inProcess("scan", "--raw", "-o", path, conn.LocalAddr().String())
	require.Zero(t, status, stderr)
	rec := parseOne(t, readFile(t, path))
	require.Equal(t, output.Success, rec.Status)
	n := 0
	for _, d := range rec.Raw {
		if !d.Sent {
			n++
		}
	}
	require.Equal(t, info, rec.Raw[len(rec.Raw)-1].Data)
	left := rec.PacketsReceived - n
	require.Positive(t, left)
	note := fmt.Sprintf("%s of 1 target left out of raw: the limit per target was reached", plural(uint64(left), "datagram", "datagrams"))
	require.Equal(t, []string{note}, readMetadata(t, path).Notes)
	require.Contains(t, stderr, "a2scan: "+note+"\n")

	path = filepath.Join(dir, "plain.ndjson")
	requireRun(t, "scan", "-o", path, conn.LocalAddr().String())
	require.Empty(t, readMetadata(t, path).Notes)
}
