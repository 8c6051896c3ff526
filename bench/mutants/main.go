// Command mutants breaks the program's invariants, one after the other, and sees
// whether the tests notice.
//
//	go run ./bench/mutants              all of them, each against the test that names it
//	go run ./bench/mutants challenge    those whose description has the word
//	go run ./bench/mutants -all         against all tests of the package: which fail
//
// The tree is not touched: the changed file is laid over it (go help build,
// -overlay). It exits with 1 if a change went unnoticed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	all := flag.Bool("all", false, "run all tests of the package instead of the one that is named, and say which fail")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := check(ctx, flag.Args(), *all); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// check tries the mutants that words choose, all of them without words.
func check(ctx context.Context, words []string, all bool) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tried, unnoticed := 0, 0
	for i := range mutants {
		m := &mutants[i]
		if !m.chosen(words) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		began := time.Now()
		failed, err := m.try(ctx, root, dir, all)
		tried++
		word := "noticed"
		switch {
		case err != nil:
			word, failed = "ERROR", []string{err.Error()}
			unnoticed++
		case len(failed) == 0:
			word, failed = "UNNOTICED", []string{m.test}
			unnoticed++
			if !all { // then it is the table that is wrong
				if by, err := m.try(ctx, root, dir, true); err == nil && len(by) > 0 {
					word, failed = "ELSEWHERE", append(failed, "passes; not so "+strings.Join(by, " "))
				}
			}
		}
		fmt.Printf("%-9s %5.1fs  %s: %s\n", word, time.Since(began).Seconds(), m.what, strings.Join(failed, " "))
	}
	fmt.Printf("%d changes, %d noticed\n", tried, tried-unnoticed)
	if unnoticed > 0 {
		return fmt.Errorf("%d of %d changes went unnoticed", unnoticed, tried)
	}
	if tried == 0 {
		return errors.New("no change has these words in its description")
	}
	return nil
}

func (m *mutant) chosen(words []string) bool {
	for _, w := range words {
		if strings.Contains(m.what, w) {
			return true
		}
	}
	return len(words) == 0
}

// moduleRoot returns the folder of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// What hangs is noticed too: a test after testTime, a package's after all of them
// may have been run twice over.
const (
	testTime    = time.Minute
	packageTime = 5 * time.Minute
)

// failure is a line of go test about a test that failed, or one that hung.
var failure = regexp.MustCompile(`(?m)^--- FAIL: (\S+)|^\s+((?:Test|Fuzz)\w+) \([0-9.hms]+\)$`)

// try runs tests over the mutant and returns the names of those that failed. Those
// of a package that did not compile are none.
func (m *mutant) try(ctx context.Context, root, dir string, all bool) (failed []string, err error) {
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return nil, err
	}
	pkg, name, ok := m.testName()
	if !ok {
		return nil, fmt.Errorf("%q is no name of a test", m.test)
	}
	args := []string{"test", "-count=1", "-overlay", overlay}
	if all {
		args = append(args, "-timeout", packageTime.String())
	} else {
		args = append(args, "-timeout", testTime.String(), "-run", "^"+name+"$")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+pkg)...)
	cmd.Dir = root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil, nil
	}
	for _, f := range failure.FindAllSubmatch(out, -1) {
		failed = append(failed, string(f[1])+string(f[2]))
	}
	if len(failed) == 0 {
		return nil, fmt.Errorf("no test failed, and yet: %w\n%s", err, out)
	}
	return failed, nil
}

// testName returns the folder and the name of the test.
func (m *mutant) testName() (pkg, name string, ok bool) {
	dot := strings.LastIndexByte(m.test, '.')
	if dot < 0 {
		return "", "", false
	}
	return m.test[:dot], m.test[dot+1:], true
}

// broken returns the mutant's file, broken.
func (m *mutant) broken(root string) (string, error) {
	src, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(src), m.old); n != 1 {
		return "", fmt.Errorf("what is to be replaced stands %d times in %s", n, m.file)
	}
	return strings.Replace(string(src), m.old, m.new, 1), nil
}

// overlay writes the broken file and the overlay that puts it in the place of the
// whole one, and returns the overlay's name.
func (m *mutant) overlay(root, dir string) (string, error) {
	src, err := m.broken(root)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(file, []byte(src), 0o666); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, m.file): file}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, b, 0o666)
}
