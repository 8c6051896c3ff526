package scanner_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

// startFarm simulates game servers at all addresses of 127/8.
func startFarm() (port uint16, stop func()) {
	f, err := farm.Start(context.Background(), farm.Config{Ports: []uint16{0}})
	if err != nil {
		log.Fatal(err)
	}
	return f.Ports()[0], func() { f.Close() }
}

// Scan a thousand addresses and get typed records. The rate of the Config applies.
func ExampleScan() {
	port, stop := startFarm()
	defer stop()

	list, err := targets.NewList(targets.Config{Args: []string{fmt.Sprintf("127.1.0.1-127.1.3.232:%d", port)}})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	servers := map[string]int{}
	for r, err := range scanner.Scan(context.Background(), scanner.DefaultConfig(), list) {
		if err != nil {
			log.Fatal(err)
		}
		if r.Status == output.Success {
			servers[r.Info.Name]++
		}
	}
	fmt.Println(len(servers) > 900)
	// Output: true
}

// Servers whose queries are answered on another port than the one in the list. A record
// names both ports.
func ExampleConfig_portOffsets() {
	port, stop := startFarm()
	defer stop()

	closed := 1 // the port in the list
	list, err := targets.NewList(targets.Config{Args: []string{fmt.Sprintf("127.1.0.1:%d", closed)}, Dedup: true})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	cfg := scanner.DefaultConfig()
	cfg.PortOffsets = []int{1, int(port) - closed}
	for r, err := range scanner.Scan(context.Background(), cfg, list) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.Addr.Port() == port, r.PortGiven, r.Status)
	}
	// Output: true 1 success
}

// Watch a hundred servers for two rounds. Nothing changes, so each appears once and that is
// all.
func ExampleWatch() {
	port, stop := startFarm()
	defer stop()

	list, err := targets.NewList(targets.Config{Args: []string{fmt.Sprintf("127.1.0.1-127.1.0.100:%d", port)}})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	cfg := scanner.WatchConfig{Config: scanner.DefaultConfig(), Interval: time.Second, Rounds: 2}
	cfg.Timeout, cfg.Retries = 300*time.Millisecond, 0
	events := map[output.EventKind]int{}
	for e, err := range scanner.Watch(context.Background(), cfg, list) {
		if err != nil {
			log.Fatal(err)
		}
		events[e.Kind]++
	}
	fmt.Println(events[output.Appeared] > 80, events[output.Changed], events[output.RoundEnded])
	// Output: true 0 2
}
