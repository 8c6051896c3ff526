package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/scanner"
)

// The query port of a server is often not the one that a player knows. After silence query
// asks the ports that games commonly use, once each.

const (
	mostSilentHosts = 4 // with more silent targets no neighbour is asked
	mostNeighbours  = 8 // ports of one target
)

// neighbourPorts returns the ports to ask after silence of a port: the next ones (Valheim,
// Arma 3, Unturned, Rust), the one before, fifteen further (V Rising), and the usual query
// ports of games with a game port elsewhere (ARK, DayZ, Squad).
func neighbourPorts(port uint16) []uint16 {
	var ports []uint16
	for _, p := range []int{int(port) + 1, int(port) + 2, int(port) - 1, int(port) + 15, 27015, 27016, 27165, 28017} {
		if p > 0 && p <= 65535 && p != int(port) && !slices.Contains(ports, uint16(p)) {
			ports = append(ports, uint16(p))
		}
	}
	return ports[:min(len(ports), mostNeighbours)]
}

// A silentSink collects the targets that were silent on the way to another sink.
type silentSink struct {
	scanner.RecordSink
	targets []silentTarget
	more    bool // than mostSilentHosts
}

// A silentTarget is a target whose port was silent or closed.
type silentTarget struct {
	at   netip.AddrPort
	host string // as the user wrote it
}

func (s *silentSink) WriteRecord(r *output.Record) {
	s.RecordSink.WriteRecord(r)
	if r.Status != output.Timeout && r.Status != output.Refused {
		return
	}
	if len(s.targets) == mostSilentHosts {
		s.more = true
		return
	}
	t := silentTarget{at: r.Addr, host: r.Addr.Addr().String()}
	if host, _, err := net.SplitHostPort(r.Input); err == nil {
		t.host = host
	}
	s.targets = append(s.targets, t)
}

// neighbours asks the neighbours of silent targets and returns those that answer, as a
// person writes them. asked reports whether a port was asked already.
func neighbours(ctx context.Context, port mux.Port, silent []silentTarget, asked func(at netip.AddrPort, given uint16) bool) ([]string, error) {
	client, err := scanner.NewClient(scanner.ClientConfig{Port: openPort{port}, Timeout: time.Second, Retries: -1, TargetTimeout: 2 * time.Second})
	if err != nil {
		return nil, err
	}
	type neighbour struct {
		target, port int
		text         string
	}
	var mu sync.Mutex
	var found []neighbour
	var all sync.WaitGroup
	for i, t := range silent {
		for j, port := range neighbourPorts(t.at.Port()) {
			at := netip.AddrPortFrom(t.at.Addr(), port)
			if asked(at, t.at.Port()) {
				continue
			}
			all.Go(func() {
				if _, err := client.Info(ctx, at.String()); err == nil || isIncomplete(err) {
					mu.Lock()
					defer mu.Unlock()
					found = append(found, neighbour{i, j, net.JoinHostPort(t.host, strconv.Itoa(int(port)))})
				}
			})
		}
	}
	all.Wait()
	slices.SortFunc(found, func(a, b neighbour) int { return cmp.Or(a.target-b.target, a.port-b.port) })
	var texts []string
	for _, n := range found {
		if !slices.Contains(texts, n.text) {
			texts = append(texts, n.text)
		}
	}
	return texts, client.Close()
}

// isIncomplete reports whether a server said something that was no answer, such as a
// challenge.
func isIncomplete(err error) bool {
	var e *scanner.QueryError
	return errors.As(err, &e) && e.Status == output.Incomplete
}

// An openPort is a Port that stays open.
type openPort struct{ mux.Port }

func (openPort) Close() error { return nil }
