package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

// farmOptions are the flags of a farm: its addresses, and the behaviour of its servers.
type farmOptions struct {
	listen netip.Prefix
	ports  targets.Ports
	world  prototest.World
	delay  span
	lists  farmLists
}

func newFarmOptions() *farmOptions {
	return &farmOptions{listen: farm.DefaultListen(), ports: onePort(farm.DefaultPort)}
}

func (o *farmOptions) register(fs *flagSet) {
	fs.group("Farm", func() {
		add(fs, &o.listen, "listen", "", "ADDRESS", "serve this loopback address or prefix", farm.ParseListen, formatListen)
		fs.ports(&o.ports, "ports", "", "serve these ports of each address; all others refuse")
		fs.seed(&o.world.Seed, "seed", "", "N", "seed from which, with its address, each server is generated")
	})
	fs.group("Shares, in percent of the servers that", func() {
		s := &o.world.Shares
		for _, f := range []struct {
			share       *float64
			name, usage string
		}{
			{&s.Challenge, "challenge", "ask for a challenge before info, too"},
			{&s.Silent, "silent", "never answer"},
			{&s.GoldSource, "goldsource", "reply in the old GoldSource format"},
			{&s.Split, "split", "split long replies"},
			{&s.BZip2, "bzip2", "split and compress long replies"},
			{&s.Ship, "ship", "run The Ship"},
			{&s.Duplicate, "duplicate", "send every datagram twice"},
			{&s.Reorder, "reorder", "send datagrams out of order"},
			{&s.Garbage, "garbage", "send noise; half of them answer after it"},
			{&s.ChallengeLoop, "challenge-loop", "answer every request with a new challenge"},
			{&s.Endless, "endless", "send fragments that never complete a reply"},
			{&s.WrongType, "wrong-type", "answer with a reply to another query"},
			{&s.Truncate, "truncate", "cut their replies short"},
			{&s.AskTwice, "ask-twice", "answer the first token with a second challenge"},
			{&s.StrictLength, "strict-length", "ignore requests that are longer than usual"},
			{&s.Loss, "loss", "lose this share of all datagrams, each way"},
		} {
			fs.number(f.share, f.name, "", "P", f.usage)
		}
		add(fs, &o.delay, "delay", "", "MIN:MAX", "response time, in milliseconds or as durations", parseSpan, formatSpan)
	})
	o.lists.register(fs)
}

// validate completes the options and returns every error in them, joined.
func (o *farmOptions) validate() error {
	o.world.Shares.DelayMin, o.world.Shares.DelayMax = o.delay.min, o.delay.max
	return errors.Join(o.world.Shares.Validate(), o.lists.validate())
}

// config returns the configuration of the farm.
func (o *farmOptions) config() farm.Config {
	c := farm.Config{Listen: o.listen, Service: &o.world, Seed: o.world.Seed}
	for i := range o.ports.Len() {
		c.Ports = append(c.Ports, o.ports.At(i))
	}
	return c
}

func formatListen(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// A span is two durations.
type span struct{ min, max time.Duration }

func parseSpan(s string) (span, error) {
	first, second, both := strings.Cut(s, ":")
	lo, err := parseDelay(first)
	hi := lo
	if both && err == nil {
		hi, err = parseDelay(second)
	}
	if err != nil {
		return span{}, withHint(errors.New("not MIN:MAX"), "write two numbers of milliseconds, such as 20:80, or durations, such as 20ms:1s")
	}
	return span{lo, hi}, nil
}

// parseDelay reads a duration, or a plain number of milliseconds.
func parseDelay(s string) (time.Duration, error) {
	if ms, err := strconv.ParseFloat(s, 64); err == nil && ms >= 0 && ms <= 1e9 {
		return time.Duration(ms * float64(time.Millisecond)), nil
	}
	return time.ParseDuration(s)
}

func formatSpan(s span) string {
	if s.max == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%s", formatDuration(s.min), formatDuration(s.max))
}
