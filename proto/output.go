package proto

import "time"

// An Output is all that one input to a Query caused: at most one reply, and
// what the Query wants next. A2S needs no queues.
type Output struct {
	// Verdict says what the input was taken for.
	Verdict Verdict
	// Kind is which request was answered, where Verdict is Answer or Upgrade.
	Kind Kind
	// Body is the answer from its type byte on, whole and decompressed. It
	// aliases the datagram or the Client's scratch memory: use it before the
	// next call on the Client.
	Body []byte
	// Split says that Body came in fragments.
	Split bool
	// Send says that the Query wants AppendTransmit, when the caller has budget.
	Send bool
	// Done says that every kind that was asked for is settled. The Query
	// changes no more, but for Reject, and Result tells how each kind ended.
	Done bool
}

// A Verdict says what a datagram, or another input, was taken for.
type Verdict uint8

// The verdicts. Those of foreign bytes never are errors: hostile and broken
// servers are what a scanner lives among.
const (
	Nothing     Verdict = iota // not a datagram, or nothing to note
	Answer                     // the reply to an outstanding request
	Upgrade                    // a better reply of a kind that was answered: 'I' after 'm'
	Challenged                 // a challenge that was taken
	Fragment                   // a part of a split reply
	Deferred                   // the last part of a compressed reply, waiting for inflation budget
	Duplicate                  // heard before
	Unexpected                 // well-formed, but nothing that was asked for
	Malformed                  // does not parse
	Dropped                    // a fragment for which there was no memory; the timer will ask again
	NumVerdicts = 10
)

// A Reason says why a kind ended without an answer.
type Reason uint8

// The reasons. There is room for fifteen in a Query.
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
)

// A Result is how one kind of a Query ended, or stands.
type Result struct {
	Answered bool
	Reason   Reason        // why not, once it has ended
	Attempts int           // tries sent; answers to challenges are none
	Rounds   int           // challenges answered
	RTT      time.Duration // from the send of the try to the first byte of its answer; negative: not measured, or a retransmission made it ambiguous
	Got      int           // ReasonFragments: fragments that came
	Total    int           // ReasonFragments: of how many, 0 where unknown
}
