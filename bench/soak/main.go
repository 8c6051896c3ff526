//go:build linux

// Command soak scans a simulated network again and again, with random flags and
// servers. It kills, interrupts and stops the scans, cuts their files, and resumes
// them. Then it compares each record with its server, and checks the sums in the
// metadata.
//
//	go run ./bench/soak -time 10m
//	go run ./bench/soak -seed 7 -round 12      one round again
//	go run ./bench/soak -hostile -time 10m     131,072 bad servers per round
//
// With -hostile the scans are left alone; each target must be done within its time, and
// the program must stay within its memory.
//
// The actions of a round follow from the seed and its number. The exact moment of a
// signal depends on the machine too, so a round that failed may have to be repeated.
// All packets stay on loopback.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/a2scan/a2scan/bench/farm"
)

func main() {
	var s soak
	seed := flag.Uint64("seed", 0, "seed of all rounds (default: random)")
	length := flag.Duration("time", time.Minute, "begin no round after this time")
	round := flag.Int("round", -1, "do only this round")
	flag.StringVar(&s.program, "a2scan", "", "the program to test (default: build it)")
	flag.StringVar(&s.dir, "dir", "", "keep files here (default: a temporary folder, removed if all is well)")
	flag.BoolVar(&s.hostile, "hostile", false, "scan many bad servers, and leave the scans alone")
	flag.Parse()
	for *seed == 0 {
		*seed = rand.Uint64N(1 << 48)
	}
	s.seed, s.log = *seed, os.Stdout

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.run(ctx, *length, *round); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// A soak is a series of rounds.
type soak struct {
	seed    uint64
	hostile bool
	program string    // path
	dir     string    // of the datasets
	log     io.Writer // a line for each round
	total   tally
}

// A tally counts the actions on scans.
type tally struct {
	rounds, runs, kills, interrupts, stops, cuts int
	records                                      uint64
	rss                                          int64         // the most of a process, in bytes
	longest                                      time.Duration // that a target was asked
}

// run does rounds until the time is over, or only the one with that number.
func (s *soak) run(ctx context.Context, length time.Duration, only int) error {
	if farm.DefaultListen().IsSingleIP() {
		return fmt.Errorf("this system has no loopback network of many addresses")
	}
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "soak")
		if err != nil {
			return err
		}
		s.dir = dir
		defer func() { _ = os.Remove(dir) }() // fails if files were kept
	}
	if s.program == "" {
		s.program = filepath.Join(s.dir, "a2scan")
		build := exec.CommandContext(ctx, "go", "build", "-o", s.program, "github.com/a2scan/a2scan/cmd/a2scan")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot build the program: %w\n%s", err, out)
		}
		defer os.Remove(s.program)
	}
	fmt.Fprintf(s.log, "seed %d\n", s.seed)
	began := time.Now()
	for n := max(only, 0); n == max(only, 0) || only < 0 && time.Since(began) < length; n++ {
		if ctx.Err() != nil {
			break
		}
		if err := s.round(ctx, n); err != nil {
			if ctx.Err() != nil {
				break
			}
			again := fmt.Sprintf("go run ./bench/soak -seed %d -round %d", s.seed, n)
			if s.hostile {
				again += " -hostile"
			}
			return fmt.Errorf("round %d: %w\nagain: %s", n, err, again)
		}
	}
	t := &s.total
	fmt.Fprintf(s.log, "summary: %d rounds, %d runs, %d kills, %d interrupts, %d stops, %d cuts; %d records, all true; at most %d MiB, and %v a target; %v\n",
		t.rounds, t.runs, t.kills, t.interrupts, t.stops, t.cuts, t.records, t.rss>>20, t.longest.Round(time.Millisecond), time.Since(began).Round(time.Second))
	return nil
}
