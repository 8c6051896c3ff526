// Package output holds the records of a scan and their JSON.
//
// A [Record] is a plain struct. [AppendJSON] writes it as one line, in order and
// without allocating.
//
// # Untrusted text
//
// Any string of a record may come from a hostile server. It is written as valid
// UTF-8, on one line and without control characters, so that it can break neither
// a line nor a terminal. If that loses something, a member NAME_b64 next to it
// holds the true bytes in base64.
//
// Package output/dataset makes files of these lines.
package output
