// Package dataset writes and reads files of records: plain NDJSON, zstd or gzip.
//
// # Writing
//
// A full [Buffer] of lines goes to the [Writer]. Its one goroutine passes the
// lines to a [Sink]: a file, standard output, or a compressor in front of either.
// The buffer then returns to the scan's loop. A slow disk slows the scan; it
// never makes it use more memory, and the loop never waits for the disk.
//
//	loop ── AppendJSON ──► Buffer ── Put ──► Writer ──► Sink ──► FILE, FILE.zst, FILE.gz
//	  ▲                                        │
//	  └─────────────── Free ◄──────────────────┘
//
// # The output is the checkpoint
//
// However a run ends, its file holds whole lines and at most one torn tail: a
// partial last line, or a partial last frame of the compressor, which ends a
// frame at least once per second. [Recover] cuts that tail off. [Reader] reads
// all three formats, also from files that were cut or joined.
package dataset
