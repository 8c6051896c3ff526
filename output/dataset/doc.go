// Package dataset writes and reads files of records: plain NDJSON, zstd or gzip, and the
// metadata of a scan.
//
// [Create] makes a file of records. [Open] and [File.Load] resume one: however a run
// ended, its file holds whole lines and at most one torn tail (a partial last line, or a
// partial last frame of the compressor), which is cut off. [Lines] reads all three
// formats, also from files that were cut or joined.
package dataset
