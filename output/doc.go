// Package output is what a scan leaves behind: records, the files that hold
// them, and the object that describes the run.
//
// # From a target to a line on disk
//
// A [Record] is a plain struct. [AppendJSON] encodes it as one line into the
// buffer that the scan's loop fills; nothing is allocated and nothing is
// locked. A full [Buffer] is handed to the [Writer], whose one goroutine gives
// it to a [Sink]: a file, standard output, or a compressor in front of either.
// The buffer then returns to the loop. A slow disk therefore makes a slow scan,
// never a large one, and the loop itself never waits for it.
//
//	loop ── AppendJSON ──► Buffer ── Put ──► Writer ──► Sink ──► FILE, FILE.zst, FILE.gz
//	  ▲                                        │
//	  └─────────────── Free ◄──────────────────┘
//
// # The output is the checkpoint
//
// Whatever ends a run, the file holds whole lines up to a tail that can be told
// from them: a partial last line, or a partial last frame of the compressor,
// which ends a frame at least once a second. [Recover] cuts that tail off and
// lists what is left, and [Reader] reads any of the three formats back, from
// files that were cut and files that were joined.
//
// # Untrusted text
//
// Every string of a record may have come from a server that means harm. It is
// written as JSON that is valid UTF-8 in one line and without control
// characters, so that neither a line nor a terminal can be broken. What that
// loses stands beside it in base64.
package output
