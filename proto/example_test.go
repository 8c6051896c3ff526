package proto_test

import (
	"fmt"
	"log"
	"time"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A conversation without any network: the caller carries the bytes and supplies the time.
// The server asks for a challenge first.
func ExampleClient() {
	client, err := proto.NewClient(proto.Config{Retries: 2})
	if err != nil {
		log.Fatal(err)
	}
	var q proto.Query
	client.Begin(&q, proto.WantInfo)

	now := proto.Time(0)
	request := client.AppendTransmit(nil, &q) // hand it to the system, and then
	client.Sent(&q, now)
	fmt.Printf("%d bytes to send\n", len(request))

	now = now.Add(40 * time.Millisecond)
	out := client.HandleDatagram(&q, now, prototest.AppendChallenge(nil, 0x04030201))
	fmt.Println("challenged:", out.Verdict == proto.Challenged, "send:", out.Send)
	request = client.AppendTransmit(request[:0], &q)
	client.Sent(&q, now)
	fmt.Printf("%d bytes to send, the last of them % x\n", len(request), request[25:])

	now = now.Add(40 * time.Millisecond)
	out = client.HandleDatagram(&q, now, prototest.AppendInfo(nil, &proto.Info{
		Protocol: 17, Name: []byte("Nightly Dust"), Map: []byte("de_dust2"), Players: 12, MaxPlayers: 32,
		VACKnown: true, Version: []byte("1.38"),
	}))
	var info proto.Info
	if err := info.Decode(out.Body); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s on %s: done %v after %v\n", info.Name, info.Map, out.Done, q.Result(proto.KindInfo).RTT)
	// Output:
	// 25 bytes to send
	// challenged: true send: true
	// 29 bytes to send, the last of them 01 02 03 04
	// Nightly Dust on de_dust2: done true after 40ms
}

// Silence: the deadline passes, the request is repeated, and in the end the result
// says so.
func ExampleClient_HandleTimeout() {
	client, err := proto.NewClient(proto.Config{Timeout: time.Second, Retries: 1})
	if err != nil {
		log.Fatal(err)
	}
	var q proto.Query
	client.Begin(&q, proto.WantPlayers)
	now := proto.Time(0)
	for done := false; !done; {
		client.AppendTransmit(nil, &q)
		client.Sent(&q, now)
		fmt.Println("sent after", time.Duration(now).Round(100*time.Millisecond))
		now, _ = client.Deadline(&q)
		done = client.HandleTimeout(&q, now).Done
	}
	result := q.Result(proto.KindPlayers)
	fmt.Println(result.Reason == proto.ReasonTimeout, result.Attempts)
	// Output:
	// sent after 0s
	// sent after 1s
	// true 2
}
