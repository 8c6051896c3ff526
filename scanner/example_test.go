package scanner_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

// startServer stands in for a game server: it answers every query on a port of loopback.
func startServer() (addr string, stop func()) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		buf := make([]byte, 64)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			var reply []byte
			switch {
			case n < 5:
			case buf[4] == proto.TypeInfoRequest:
				reply = prototest.AppendInfo(nil, &proto.Info{
					Protocol: 17, Name: []byte("Nightly Dust"), Map: []byte("de_dust2"), Players: 12, MaxPlayers: 32,
					ServerType: 'd', OS: 'l', VACKnown: true, Version: []byte("1.38"),
				})
			case buf[4] == proto.TypePlayersRequest:
				reply = prototest.AppendPlayers(nil, &proto.PlayerList{Count: 1, List: []proto.Player{{Name: []byte("ann"), Score: 7}}})
			case buf[4] == proto.TypeRulesRequest:
				reply = prototest.AppendRules(nil, &proto.RuleList{Count: 1, List: []proto.Rule{{Name: []byte("sv_gravity"), Value: []byte("800")}}})
			}
			conn.WriteToUDPAddrPort(reply, from)
		}
	}()
	return conn.LocalAddr().String(), func() { conn.Close() }
}

// Ask one server about itself.
func ExampleClient() {
	addr, stop := startServer()
	defer stop()

	client, err := scanner.NewClient(scanner.ClientConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	info, err := client.Info(context.Background(), addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s on %s, %d of %d players\n", info.Name, info.Map, info.Players, info.MaxPlayers)
	// Output: Nightly Dust on de_dust2, 12 of 32 players
}

// Ask for several things at once, which takes fewer round trips.
func ExampleClient_Query() {
	addr, stop := startServer()
	defer stop()

	client, err := scanner.NewClient(scanner.ClientConfig{Timeout: 500 * time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	r, err := client.Query(context.Background(), addr, proto.WantInfo|proto.WantPlayers|proto.WantRules)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Info.Name)
	for _, p := range r.Players.List {
		fmt.Printf("player %s: %d\n", p.Name, p.Score)
	}
	for _, rule := range r.Rules.List {
		fmt.Printf("%s = %s\n", rule.Name, rule.Value)
	}
	// Output:
	// Nightly Dust
	// player ann: 7
	// sv_gravity = 800
}

// Tell silence from a port on which no program listens.
func ExampleQueryError() {
	addr, stop := startServer()
	stop() // it was there a moment ago

	client, err := scanner.NewClient(scanner.ClientConfig{Timeout: 50 * time.Millisecond, Retries: -1})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	_, err = client.Info(context.Background(), addr)
	var failed *scanner.QueryError
	if errors.As(err, &failed) {
		switch failed.Status {
		case output.Refused, output.Timeout: // if the system reports ICMP errors, and if not
			fmt.Println("no server there")
		}
	}
	// Output: no server there
}

// lines is a dataset.Sink that keeps the lines.
type lines struct{ bytes.Buffer }

func (l *lines) WriteLines(p []byte) error { _, err := l.Write(p); return err }
func (l *lines) Sync() (int64, error)      { return int64(l.Len()), nil }
func (l *lines) Close() error              { return nil }

// Bring a port and a sink: the sink gets one line of JSON per target.
func ExampleScanner() {
	addr, stop := startServer()
	defer stop()

	list, err := targets.NewList(targets.Config{Args: []string{addr, "255.255.255.255"}, Dedup: true})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	port, err := mux.Listen(mux.Options{Rcvbuf: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer port.Close()

	cfg := scanner.DefaultConfig()
	cfg.Rate = 100
	sink := new(lines) // package dataset opens files
	scan, err := scanner.New(cfg, port, list, sink)
	if err != nil {
		log.Fatal(err)
	}
	result, err := scan.Run(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Reason, result.Stats.Done)
	fmt.Println(bytes.Count(sink.Bytes(), []byte(`"status":"blocked"`)) > 0, bytes.Count(sink.Bytes(), []byte(`"name":"Nightly Dust"`)))
	// Output:
	// complete 2
	// true 1
}
