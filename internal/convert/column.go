// Package convert writes datasets as tables: CSV and Parquet.
//
// Cells are taken from the line of JSON that output.AppendJSON makes of a record, so
// that they hold the same values.
package convert

import (
	"fmt"
	"slices"
	"strings"
)

// A Table is one of the tables that a dataset can become.
type Table string

// The tables: one row per record, per player and per rule.
const (
	Servers Table = "servers"
	Players Table = "players"
	Rules   Table = "rules"
)

// A kind is the type of a column.
type kind uint8

const (
	text    kind = iota
	integer      // fits into 64 bits
	float
	boolean
	instant // RFC 3339
	object  // JSON
)

// A column is a column of a table, named as the keys that lead to its values, joined
// by underscores.
type column struct {
	name string
	path []string // below the record, or below the entry of a list
	kind kind
	own  bool // of players and rules: it is of the record, not of the entry
}

// Each column is written as its path and kind. A text has a second column for the
// bytes that are not UTF-8, as it has in the record.
var recordColumns = columns(`
	schema integer; seq integer; ip text; port integer; port_given integer; input bytes; tag bytes; source object
	status text; error bytes; timestamp instant; duration_ms float; rtt_ms float; attempts integer
	packets_sent integer; packets_received integer; bytes_received integer; challenged boolean
	info.status text; info.error bytes; info.attempts integer; info.rtt_ms float; info.format text; info.protocol integer
	info.name bytes; info.map bytes; info.folder bytes; info.game bytes; info.app_id integer
	info.players integer; info.max_players integer; info.bots integer; info.server_type text; info.environment text
	info.visibility text; info.vac boolean; info.version bytes; info.edf integer; info.game_port integer; info.steam_id text
	info.spectator_port integer; info.spectator_name bytes; info.keywords bytes; info.game_id text
	info.ship.mode integer; info.ship.witnesses integer; info.ship.duration_s integer; info.address bytes
	info.mod.link bytes; info.mod.download_link bytes; info.mod.hl_version bytes; info.mod.version integer; info.mod.size integer
	info.mod.type integer; info.mod.dll integer; info.players_actual integer; info.max_players_actual integer; info.truncated boolean
	players.status text; players.error bytes; players.attempts integer; players.rtt_ms float; players.count integer
	players.truncated boolean; players.list object
	rules.status text; rules.error bytes; rules.attempts integer; rules.rtt_ms float; rules.count integer
	rules.truncated boolean; rules.list object; rules.a3sb object
	raw object`)

var ownColumns = columns("ip text; port integer; timestamp instant")

var playerColumns = entryColumns("index integer; name bytes; score integer; duration_s float; deaths integer; money integer")

var ruleColumns = entryColumns("name bytes; value bytes")

func entryColumns(list string) []column {
	own := slices.Clone(ownColumns)
	for i := range own {
		own[i].own = true
	}
	return append(own, columns(list)...)
}

func columns(list string) (out []column) {
	kinds := map[string]kind{"text": text, "bytes": text, "integer": integer, "float": float, "boolean": boolean, "instant": instant, "object": object}
	for c := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ';' || r == '\n' }) {
		words := strings.Fields(c)
		if len(words) != 2 {
			continue // an empty line
		}
		add := func(name string) {
			path := strings.Split(name, ".")
			out = append(out, column{name: strings.Join(path, "_"), path: path, kind: kinds[words[1]]})
		}
		add(words[0])
		if words[1] == "bytes" {
			add(words[0] + "_b64")
		}
	}
	return out
}

// columnsOf returns the columns of t that are named, in the order of their names, or
// all of them if there are no names.
func columnsOf(t Table, names []string) ([]column, error) {
	var all []column
	switch t {
	case Servers:
		all = recordColumns
	case Players:
		all = playerColumns
	case Rules:
		all = ruleColumns
	default:
		return nil, fmt.Errorf("%q is no table", string(t))
	}
	if len(names) == 0 {
		return all, nil
	}
	var chosen []column
	for _, name := range names {
		i := slices.IndexFunc(all, func(c column) bool { return c.name == name || strings.Join(c.path, ".") == name })
		if i < 0 {
			return nil, &FieldError{name, t, fieldNames(all)}
		}
		if slices.ContainsFunc(chosen, func(c column) bool { return c.name == all[i].name }) {
			return nil, fmt.Errorf("field %q is named twice", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// A FieldError names a field that a table does not have.
type FieldError struct {
	Name  string
	Table Table
	Known []string // those it has
}

// Error returns, for example, `table players has no field "nam"`.
func (e *FieldError) Error() string { return fmt.Sprintf("table %s has no field %q", e.Table, e.Name) }

func fieldNames(list []column) (names []string) {
	for _, c := range list {
		names = append(names, c.name)
	}
	return names
}
