package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var when = time.Date(2026, 12, 1, 4, 5, 6, 0, time.UTC)

func TestTarIsTheSameInAnyOrder(t *testing.T) {
	files := []file{
		{name: "tmp/", mode: 0o777 | fs.ModeSticky}, {name: "bin/a2scan", mode: 0o755, data: []byte("program")},
		{name: "bin/", mode: 0o755}, {name: "data/", mode: 0o755, uid: containerUser},
	}
	var one, two bytes.Buffer
	require.NoError(t, writeTar(&one, "root", files, when))
	files[0], files[3] = files[3], files[0]
	require.NoError(t, writeTar(&two, "root", files, when))
	require.Equal(t, one.Bytes(), two.Bytes())

	z, err := gzip.NewReader(&one)
	require.NoError(t, err)
	var names []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		names = append(names, h.Name)
		require.True(t, h.ModTime.Equal(when))
		switch h.Name {
		case "root/bin/a2scan":
			b, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, "program", string(b))
			require.EqualValues(t, 0o755, h.Mode)
		case "root/tmp/":
			require.EqualValues(t, 0o1777, h.Mode)
			require.EqualValues(t, tar.TypeDir, h.Typeflag)
		case "root/data/":
			require.Equal(t, containerUser, h.Uid)
		}
	}
	require.Equal(t, []string{"root/bin/", "root/bin/a2scan", "root/data/", "root/tmp/"}, names)
}

func TestZip(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, writeZip(&b, "a2scan", []file{{name: "a2scan.exe", mode: 0o755, data: []byte("program")}}, when))
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	require.NoError(t, err)
	require.Len(t, r.File, 1)
	require.Equal(t, "a2scan/a2scan.exe", r.File[0].Name)
	require.True(t, r.File[0].Modified.Equal(when))
	require.Equal(t, fs.FileMode(0o755), r.File[0].Mode())
}

func TestInstalledPaths(t *testing.T) {
	for name, want := range map[string]string{
		"a2scan":                 "/usr/bin/a2scan",
		"LICENSE":                "/usr/share/doc/a2scan/copyright",
		"README.md":              "/usr/share/doc/a2scan/README.md",
		"man/a2scan-scan.1":      "/usr/share/man/man1/a2scan-scan.1.gz",
		"systemd/a2scan.service": "/usr/lib/systemd/system/a2scan.service",
		"completions/a2scan.zsh": "/usr/share/zsh/vendor-completions/_a2scan",
		"completions/a2scan.ps1": "",
	} {
		require.Equal(t, want, installed(name, "deb"), name)
	}
	require.Equal(t, "/usr/share/zsh/site-functions/_a2scan", installed("completions/a2scan.zsh", "rpm"))
}
