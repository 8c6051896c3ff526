package main

import (
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"a2scan": main})
}

// TestScripts runs testdata/script/*.txtar, each a session with the program as
// a user would have it. Commands added to testscript's own:
//
//	status N PROGRAM [ARG…]   runs the program and requires that exit status
//	payload FILE WORD…        writes bytes: hex digits, =TEXT, or *N for N zeros
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":  cmdStatus,
			"payload": cmdPayload,
		},
	})
}

func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func cmdPayload(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: payload FILE WORD…")
	}
	var b []byte
	for _, word := range args[1:] {
		switch word[0] {
		case '=':
			b = append(b, word[1:]...)
		case '*':
			n, err := strconv.Atoi(word[1:])
			ts.Check(err)
			b = append(b, make([]byte, n)...)
		default:
			h, err := hex.DecodeString(word)
			ts.Check(err)
			b = append(b, h...)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o666))
}
