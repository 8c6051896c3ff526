package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// containerUser is the user of the container image and the owner of its /data.
const containerUser = 65532

// root returns the files of the container image: the program, a user and two folders.
func root(program file) []file {
	program.name = "usr/bin/a2scan"
	passwd := fmt.Sprintf("a2scan:x:%[1]d:%[1]d::/data:/sbin/nologin\n", containerUser)
	return []file{
		{name: "usr/", mode: 0o755}, {name: "usr/bin/", mode: 0o755}, program,
		{name: "etc/", mode: 0o755}, {name: "etc/passwd", mode: 0o644, data: []byte(passwd)},
		{name: "data/", mode: 0o755, uid: containerUser},
		{name: "tmp/", mode: 0o777 | fs.ModeSticky},
	}
}

// units returns the systemd units, with the path at which packages install the program.
func units() ([]file, error) {
	names, err := filepath.Glob("deploy/systemd/*")
	if err != nil {
		return nil, err
	}
	var list []file
	for _, name := range names {
		f, err := fromDisk("systemd/"+filepath.Base(name), name, 0o644)
		if err != nil {
			return nil, err
		}
		f.data = bytes.ReplaceAll(f.data, []byte("/usr/local/bin/a2scan"), []byte("/usr/bin/a2scan"))
		list = append(list, f)
	}
	return list, nil
}

// installed returns the path at which a package of a format installs a file of the
// archive.
func installed(name, format string) string {
	base := path.Base(name)
	switch path.Dir(name) {
	case "systemd":
		return "/usr/lib/systemd/system/" + base
	case "man":
		return "/usr/share/man/man1/" + base + ".gz"
	case "completions":
		switch {
		case strings.HasSuffix(base, ".bash"):
			return "/usr/share/bash-completion/completions/a2scan"
		case strings.HasSuffix(base, ".fish"):
			return "/usr/share/fish/vendor_completions.d/a2scan.fish"
		case strings.HasSuffix(base, ".zsh") && format == "deb":
			return "/usr/share/zsh/vendor-completions/_a2scan"
		case strings.HasSuffix(base, ".zsh"):
			return "/usr/share/zsh/site-functions/_a2scan"
		}
		return "" // PowerShell
	}
	switch base {
	case "a2scan":
		return "/usr/bin/a2scan"
	case "LICENSE":
		return "/usr/share/doc/a2scan/copyright"
	}
	return "/usr/share/doc/a2scan/" + base
}

// packages makes the deb, rpm and apk packages of a Linux target.
func (r *release) packages(ctx context.Context, t target, files []file) error {
	for _, format := range []string{"deb", "rpm", "apk"} {
		config, err := r.nfpmConfig(t, format, files)
		if err != nil {
			return err
		}
		out := fmt.Sprintf("a2scan_%s_%s.%s", r.version, t.arch, format)
		if err := run(ctx, []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(r.time.Unix(), 10)},
			r.tool("nfpm"), "package", "--config", config, "--packager", format, "--target", filepath.Join(r.out, out)); err != nil {
			return err
		}
	}
	return nil
}

// nfpmConfig writes the files of a package and the description that nfpm reads, and
// returns the name of the latter.
func (r *release) nfpmConfig(t target, format string, files []file) (string, error) {
	dir := filepath.Join(r.work, t.arch+"-"+format)
	when := r.time.Format("2006-01-02T15:04:05Z")
	var b strings.Builder
	fmt.Fprintf(&b, `name: a2scan
arch: %s
platform: linux
version: %q
section: net
priority: optional
maintainer: "The a2scan authors <noreply@a2scan.invalid>"
description: |-
  concurrent scanner for Valve A2S game servers
  a2scan queries game servers, scans lists of them at a fixed rate and writes
  one JSON record per server.
homepage: https://github.com/a2scan/a2scan
license: MIT
mtime: %s
rpm:
  buildhost: localhost
contents:
  - dst: /etc/a2scan
    type: dir
    file_info: {mode: 0755, mtime: %[3]s}
`, t.arch, r.version, when)
	for _, f := range files {
		dst := installed(f.name, format)
		if dst == "" {
			continue
		}
		data := f.data
		if strings.HasSuffix(dst, ".gz") {
			var err error
			if data, err = compressed(data); err != nil {
				return "", err
			}
		}
		src := filepath.Join(dir, dst)
		if err := os.MkdirAll(filepath.Dir(src), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(src, data, f.mode); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "  - src: %q\n    dst: %q\n    file_info: {mode: %#o, mtime: %s}\n", src, dst, f.mode, when)
	}
	config := filepath.Join(dir, "nfpm.yaml")
	return config, os.WriteFile(config, []byte(b.String()), 0o644)
}
