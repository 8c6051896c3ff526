package schema

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/recordtest"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
)

var update = flag.Bool("update", false, "rewrite docs/records.md")

func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSON(name)))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource("a2scan.json", doc))
	s, err := c.Compile("a2scan.json")
	require.NoError(t, err)
	return s
}

func requireValid(t *testing.T, s *jsonschema.Schema, line []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	require.NoError(t, err, "%s", line)
	require.NoError(t, s.Validate(v), "%s", line)
}

// requireStrict removes and adds a key of each object in line, and wants the schema
// to refuse that.
func requireStrict(t *testing.T, s *jsonschema.Schema, line []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	require.NoError(t, err)
	var walk func(v any, path string)
	walk = func(x any, path string) {
		switch x := x.(type) {
		case []any:
			for _, e := range x {
				walk(e, path+"[]")
			}
		case map[string]any:
			if path == ".source" {
				return
			}
			x["no_such_key"] = nil
			require.Error(t, s.Validate(v), "an unknown key in %s", path)
			delete(x, "no_such_key")
			for key, e := range x {
				if !strings.HasSuffix(key, "_b64") {
					delete(x, key)
					require.Error(t, s.Validate(v), "without %s.%s", path, key)
					x[key] = e
				}
				walk(e, path+"."+key)
			}
		}
	}
	walk(v, "")
	require.NoError(t, s.Validate(v))
}

// TestRecord: the schema has each key of a record, and no other.
func TestRecord(t *testing.T) {
	s := compile(t, "record")
	golden, err := filepath.Glob("../../testdata/golden/record-*.json")
	require.NoError(t, err)
	require.NotEmpty(t, golden)
	for _, name := range golden {
		line, err := os.ReadFile(name)
		require.NoError(t, err)
		requireValid(t, s, line)
		requireStrict(t, s, line)
	}
	m := recordtest.New(1)
	m.Hostile = 0.3
	var line []byte
	for range 500 {
		line = output.AppendJSON(line[:0], m.Next())
		requireValid(t, s, line)
	}
	for _, wrong := range []string{`{}`, `[]`, `{"schema":2}`, strings.Replace(string(line), `"schema":1`, `"schema":2`, 1),
		strings.Replace(string(line), `"challenged":`, `"challenged":7,"x":`, 1)} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(wrong))
		require.NoError(t, err)
		require.Error(t, s.Validate(v), wrong)
	}
}

// TestMetadata: the schema has each key of the metadata, and no other.
func TestMetadata(t *testing.T) {
	s := compile(t, "metadata")
	m := dataset.Metadata{Schema: output.SchemaVersion, Tool: "a2scan", Shards: 1}
	line, err := m.AppendJSON(nil)
	require.NoError(t, err)
	requireValid(t, s, line)
	n, words, size := uint64(3), "words", int64(7)
	p := dataset.Decimal(1.5)
	m.Resumed = &dataset.Resumed{Records: 3, NotInTargets: &n}
	m.EndReason, m.EndTime = dataset.EndMaxResults, output.Timestamp{Time: time.Unix(1.8e9, 0)}
	m.UserNotes, m.UserMetadata, m.Source = &words, json.RawMessage(`{"a":[1]}`), json.RawMessage(`"https://example.net"`)
	m.Config, m.Notes, m.Output.CompressedBytes = map[string]string{"rate": "1"}, []string{"a note"}, &size
	m.RTT.P50, m.RTT.Max = &p, &p
	line, err = m.AppendJSON(nil)
	require.NoError(t, err)
	requireValid(t, s, line)
	m.Config = nil // it may have any key
	m.UserMetadata = nil
	line, err = m.AppendJSON(nil)
	require.NoError(t, err)
	requireStrict(t, s, line)
}

func TestEvent(t *testing.T) {
	s := compile(t, "event")
	var fields output.Fields
	require.NoError(t, fields.UnmarshalText([]byte(output.Fields{}.String()+",players,rules.name")))
	record := output.AppendJSON(nil, recordtest.New(2).Next())
	for _, e := range []output.Event{
		{Kind: output.Appeared, Time: time.Unix(1.8e9, 0), Record: record, Tag: "\xff"},
		{Kind: output.Gone, Round: 3},
		{Kind: output.Changed, Changes: []output.Change{{Field: "map"}, {Field: "rules.x"}}, Record: record},
	} {
		requireValid(t, s, e.AppendJSON(nil))
	}
}

// Every key of every object has a description.
func TestDescriptions(t *testing.T) {
	for _, name := range Names {
		var walk func(m *member, path string)
		walk = func(m *member, path string) {
			require.NotEmpty(t, m.text, "%s: %s", name, path)
			require.True(t, strings.HasSuffix(m.text, "."), "%s: %s: %s", name, path, m.text)
			for _, c := range m.members {
				walk(c, path+"."+c.key)
			}
		}
		walk(load(name), "")
		compile(t, name)
		var doc any
		require.NoError(t, json.Unmarshal(JSON(name), &doc))
		requireDescriptions(t, doc, name)
	}
}

// requireDescriptions looks for a property without a description, at any depth.
func requireDescriptions(t *testing.T, v any, path string) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		properties, _ := v["properties"].(map[string]any)
		for key, p := range properties {
			require.NotEmpty(t, p.(map[string]any)["description"], "%s.%s", path, key)
		}
		for key, c := range v {
			requireDescriptions(t, c, path+"."+key)
		}
	case []any:
		for _, c := range v {
			requireDescriptions(t, c, path)
		}
	}
}

// TestDocument: the tables of docs/records.md are made from the schemas.
func TestDocument(t *testing.T) {
	const path = "../../docs/records.md"
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	page := string(b)
	for _, name := range Names {
		begin, end := "<!-- schema "+name+" -->\n", "<!-- end -->\n"
		before, rest, found := strings.Cut(page, begin)
		require.True(t, found, begin)
		_, after, found := strings.Cut(rest, end)
		require.True(t, found, end)
		page = before + begin + Markdown(name) + end + after
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(page), 0o666))
		return
	}
	require.Equal(t, page, string(b), "go test ./internal/schema -update")
}
