package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/a2scan/a2scan/internal/osfile"
)

// A fileUse is a file of the command line: its flag, and whether it is written.
type fileUse struct {
	flag   string
	name   string // empty: none
	std    any    // the stream that "-" means; nil: none
	writes bool
}

// checkFiles returns an error if a file that is written is also read, or written under
// another flag. It follows links and compares files, or names if there is no file yet.
func checkFiles(uses ...fileUse) error {
	var errs []error
	var known []*place
	for _, u := range uses {
		p := placeOf(u)
		if p == nil {
			continue
		}
		for _, other := range known {
			if (u.writes || other.writes) && p.is(other) {
				errs = append(errs, p.collision(other))
				break
			}
		}
		known = append(known, p)
	}
	if len(errs) == 0 {
		return nil
	}
	return withHint(&usageError{errors.Join(errs...)}, "give each a file of its own: an output replaces the contents of its file")
}

// A place is the file that a fileUse names.
type place struct {
	fileUse
	path string      // without links; empty for a stream
	info os.FileInfo // nil: there is no file yet
}

// placeOf returns the place of u, or nil if it can be shared: terminals, devices.
func placeOf(u fileUse) *place {
	if u.name == "" {
		return nil
	}
	if u.name == "-" {
		f := fileOf(u.std)
		if f == nil {
			return nil
		}
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		return &place{fileUse: u, info: info}
	}
	p := &place{fileUse: u, path: resolve(u.name)}
	if info, err := os.Stat(u.name); err == nil {
		if info.Mode()&(os.ModeDevice|os.ModeSocket) != 0 {
			return nil
		}
		p.info = info
	}
	return p
}

// resolve returns the absolute path of name without links. The file need not exist.
func resolve(name string) string {
	path, err := filepath.Abs(name)
	if err != nil {
		return filepath.Clean(name)
	}
	return osfile.Resolve(path)
}

func (p *place) is(other *place) bool {
	if p.info != nil && other.info != nil {
		return os.SameFile(p.info, other.info)
	}
	return p.path != "" && p.path == other.path
}

func (p *place) collision(other *place) error {
	if p.name == other.name && p.name != "-" {
		return fmt.Errorf("%s and %s both name %s", other.flag, p.flag, quote(p.name))
	}
	return fmt.Errorf("%s %s and %s %s are the same file", other.flag, quote(other.name), p.flag, quote(p.name))
}

// files returns all files that a scan reads and writes.
func (o *scanOptions) files(a *app, args []string) []fileUse {
	var uses []fileUse
	for _, name := range o.configFiles {
		uses = append(uses, fileUse{flag: "--config", name: name})
	}
	for _, name := range o.listNames(args) {
		uses = append(uses, fileUse{flag: "--input-file", name: name, std: a.stdin})
	}
	for _, name := range o.blocklists {
		uses = append(uses, fileUse{flag: "--blocklist-file", name: name})
	}
	for _, name := range o.allowlists {
		uses = append(uses, fileUse{flag: "--allowlist-file", name: name})
	}
	return append(uses,
		fileUse{flag: "--output-file", name: o.outputFile, std: a.stdout, writes: true},
		fileUse{flag: "--metadata-file", name: o.metadataPath(), writes: true},
		fileUse{flag: "--status-updates-file", name: o.statusFile, writes: true},
		fileUse{flag: "--cpuprofile", name: o.cpuProfile, writes: true},
		fileUse{flag: "--memprofile", name: o.memProfile, writes: true},
	)
}

// checkRead returns an error if standard output is one of the files that are read, which
// would never end.
func checkRead(stdin io.Reader, stdout io.Writer, what string, names ...string) error {
	uses := []fileUse{{flag: "standard output", name: "-", std: stdout, writes: true}}
	for _, name := range names {
		uses = append(uses, fileUse{flag: what, name: name, std: stdin})
	}
	return checkFiles(uses...)
}
