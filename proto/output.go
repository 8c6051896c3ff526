package proto

import "time"

// An Output is the effect of one input on a Query: at most one reply, and the
// Query's next wish. A2S needs no queues.
type Output struct {
	// Verdict classifies the input.
	Verdict Verdict
	// Kind is the request that was answered, if Verdict is Answer or Upgrade.
	Kind Kind
	// Body is the answer from its type byte on, whole and decompressed, or the text
	// of a Denied. It aliases the datagram or the Client's scratch memory: use it before
	// the next call on the Client.
	Body []byte
	// Split reports whether Body came in fragments.
	Split bool
	// Send reports whether the Query wants AppendTransmit.
	Send bool
	// Done reports whether every kind that was asked for is settled. The Query
	// does not change any more, and Result returns how each kind ended.
	Done bool
}

// A Verdict classifies a datagram or another input.
type Verdict uint8

// The verdicts. None is an error: a scanner meets hostile and broken servers all the
// time.
const (
	Nothing     Verdict = iota // not a datagram, or nothing to note
	Answer                     // the reply to an outstanding request
	Upgrade                    // a better reply of a kind that was answered: 'I' after 'm', a reply in time after an early one
	Challenged                 // a challenge that was taken
	Fragment                   // a part of a split reply
	Deferred                   // the last part of a compressed reply, waiting for inflation budget
	Duplicate                  // heard before
	Unexpected                 // well-formed, but nothing that was asked for
	Malformed                  // does not parse or does not decode
	Dropped                    // a fragment for which there was no memory; the timer will ask again
	Denied                     // a text in place of an answer, such as "Banned by server"
	NumVerdicts = 11
)

// A Reason is why a kind ended without an answer.
type Reason uint8

// The reasons.
const (
	NoReason          Reason = iota // answered, not asked for, or still open
	ReasonTimeout                   // silence
	ReasonRefused                   // ICMP port unreachable
	ReasonUnreachable               // another ICMP error
	ReasonSend                      // the system would not send
	ReasonChallenge                 // challenges came, an answer never did
	ReasonFragments                 // some fragments came, not all
	ReasonUnexpected                // only replies of other kinds came
	ReasonMalformed                 // bytes came that do not parse
	ReasonLoop                      // a new challenge for each that was answered
	ReasonAborted                   // the caller gave up
	ReasonDenied                    // the server refused in words
	ReasonNoMemory                  // answered, but the caller had no memory to keep the answer
)

// A Result is how one kind of a Query ended, or its state so far.
type Result struct {
	Answered bool
	Reason   Reason        // why not, once it has ended
	Attempts int           // attempts; requests that answer a challenge do not count
	Rounds   int           // challenges answered
	RTT      time.Duration // from the request to its answer; negative: not measured, or ambiguous after a retransmission
	Got      int           // ReasonFragments: fragments that came
	Total    int           // ReasonFragments: of how many, 0 if unknown
}
