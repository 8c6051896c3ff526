// Command packaging builds everything that a release consists of:
//
//	go run ./deploy/packaging                      all of it, into dist/
//	go run ./deploy/packaging -only linux/amd64    one target
//
// The folder has, for each target, an archive with a static binary and an SBOM, for
// Linux also deb, rpm and apk packages and the root of a container image, and
// SHA256SUMS. Two builds of the same commit with the same Go are equal byte by byte.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A target is a system and an architecture, as Go names them.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

// targets are the systems that a release supports.
func targets() (all []target) {
	for _, system := range []string{"linux", "darwin", "windows", "freebsd"} {
		for _, arch := range []string{"amd64", "arm64"} {
			all = append(all, target{system, arch})
		}
	}
	return all
}

func main() {
	out := flag.String("out", "dist", "folder to build; an existing one is replaced")
	only := flag.String("only", "", "build this target alone, such as linux/amd64")
	tools := flag.String("tools", "", "folder of nfpm and cyclonedx-gomod from an earlier build; made if it is missing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, *out, *only, *tools); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context, out, only, tools string) error {
	chosen := slices.DeleteFunc(targets(), func(t target) bool { return only != "" && t.String() != only })
	if len(chosen) == 0 {
		return fmt.Errorf("%s is none of the targets %v", only, targets())
	}
	r, err := newRelease(ctx, out, tools)
	if err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	for _, t := range chosen {
		fmt.Println(t)
		if err := r.target(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return checksums(out)
}

// A release is a version of the program that is being built.
type release struct {
	version string
	time    time.Time // of the commit: the time of every file in it
	out     string    // folder of the results
	work    string    // temporary folder
	tools   string    // folder of the tools

	common []file // files that every target has, apart from the binary
}

func newRelease(ctx context.Context, out, tools string) (*release, error) {
	if err := os.RemoveAll(out); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	seconds, err := output(ctx, nil, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return nil, err
	}
	epoch, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, err
	}
	r := &release{time: time.Unix(epoch, 0).UTC(), out: out}
	if r.version, err = version(ctx, r.time); err != nil {
		return nil, err
	}
	if r.work, err = os.MkdirTemp("", "packaging"); err != nil {
		return nil, err
	}
	if err := r.buildTools(ctx, tools); err != nil {
		return nil, err
	}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		f, err := fromDisk(name, name, 0o644)
		if err != nil {
			return nil, err
		}
		r.common = append(r.common, f)
	}
	manual, err := manual(ctx, r.work)
	if err != nil {
		return nil, err
	}
	r.common = append(r.common, manual...)
	return r, nil
}

// buildTools builds the tools in folder, or in the temporary one if that is empty, unless
// an earlier build has done so.
func (r *release) buildTools(ctx context.Context, folder string) error {
	r.tools = filepath.Join(r.work, "tools")
	if folder != "" {
		var err error
		if r.tools, err = filepath.Abs(folder); err != nil {
			return err
		}
		if _, err := os.Stat(r.tools); err == nil {
			return nil
		}
	}
	return run(ctx, nil, "go", "build", "-modfile=deploy/packaging/tools.mod", "-o", r.tools+string(filepath.Separator),
		"github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod", "github.com/goreleaser/nfpm/v2/cmd/nfpm")
}

// tool returns the path of a tool.
func (r *release) tool(name string) string { return filepath.Join(r.tools, name) }

// version returns the version of the last tag without its v, or one made of the commit
// if the commit has no tag.
func version(ctx context.Context, when time.Time) (string, error) {
	if tag, err := output(ctx, nil, "git", "describe", "--tags", "--exact-match", "--match", "v[0-9]*"); err == nil {
		return strings.TrimPrefix(tag, "v"), nil
	}
	commit, err := output(ctx, nil, "git", "rev-parse", "--short=12", "HEAD")
	return "0.0.0-" + when.Format("20060102150405") + "." + commit, err
}

// target builds everything for t.
func (r *release) target(ctx context.Context, t target) error {
	name := fmt.Sprintf("a2scan_%s_%s_%s", r.version, t.os, t.arch)
	exe := "a2scan"
	if t.os == "windows" {
		exe = "a2scan.exe"
	}
	env := []string{"CGO_ENABLED=0", "GOOS=" + t.os, "GOARCH=" + t.arch, "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT="}
	binary := filepath.Join(r.work, t.os+"-"+t.arch, exe)
	if err := run(ctx, env, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w -buildid=", "-o", binary, "./cmd/a2scan"); err != nil {
		return err
	}
	program, err := fromDisk(exe, binary, 0o755)
	if err != nil {
		return err
	}
	if err := run(ctx, nil, r.tool("cyclonedx-gomod"), "bin", "-json", "-noserial", "-notimestamp", "-version", "v"+r.version,
		"-output", filepath.Join(r.out, name+".cdx.json"), binary); err != nil {
		return err
	}
	files := append([]file{program}, r.common...)
	switch t.os {
	case "windows":
		return r.write(name+".zip", func(w io.Writer) error { return writeZip(w, name, files, r.time) })
	case "linux":
		units, err := units()
		if err != nil {
			return err
		}
		files = append(files, units...)
		if err := r.packages(ctx, t, files); err != nil {
			return err
		}
		if err := r.write(name+".rootfs.tar.gz", func(w io.Writer) error { return writeTar(w, "", root(program), r.time) }); err != nil {
			return err
		}
	}
	return r.write(name+".tar.gz", func(w io.Writer) error { return writeTar(w, name, files, r.time) })
}

// write writes a file of the release.
func (r *release) write(name string, fill func(io.Writer) error) error {
	f, err := os.Create(filepath.Join(r.out, name))
	if err != nil {
		return err
	}
	return errors.Join(fill(f), f.Close())
}

// checksums writes SHA256SUMS for all files of the folder.
func checksums(folder string) error {
	entries, err := os.ReadDir(folder) // sorted
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(b), e.Name())
	}
	return os.WriteFile(filepath.Join(folder, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// run runs a command with more environment and shows its output if it fails.
func run(ctx context.Context, env []string, name string, args ...string) error {
	_, err := output(ctx, env, name, args...)
	return err
}

// output returns the trimmed standard output of a command.
func output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out)), err
}
