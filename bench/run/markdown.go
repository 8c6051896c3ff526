package run

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
)

// The part of a document between these two lines is the report's. The text before and after
// it is kept when a new report is written.
const (
	markdownBegin = "<!-- report: begin. Written by a2scan bench --markdown; changes here are lost. -->"
	markdownEnd   = "<!-- report: end -->"
)

// Markdown returns the report as a document's part. images is the folder of the figures as
// the document names it, empty if there are none.
func (r *Report) Markdown(images string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n\n", markdownBegin)
	fmt.Fprintf(&b, "Measured on %s: %s.", r.Start.Format("2 January 2006"), markdownEscape(r.machineLine()))
	if q := r.quietLine(); q != "" {
		fmt.Fprintf(&b, " %s", q)
	}
	fmt.Fprintf(&b, " Version %s, by `%s`, in %s.\n", markdownEscape(r.Version), r.CommandLine, seconds(r.DurationS))
	if !r.Complete {
		b.WriteString("\n**This run was ended early; rows are missing.**\n")
	}
	for _, t := range r.tables() {
		fmt.Fprintf(&b, "\n### %s\n", t.title)
		for _, f := range r.Figures() {
			if images != "" && f.Group == t.title {
				fmt.Fprintf(&b, "\n![%s](%s/%s)\n", markdownEscape(f.Title), images, f.File)
			}
		}
		b.WriteByte('\n')
		t.markdown(&b)
		for _, n := range t.notes {
			fmt.Fprintf(&b, "\n%s\n", markdownEscape(n))
		}
	}
	b.WriteString("\n### Command lines\n\n")
	for i := range r.Rows {
		row := &r.Rows[i]
		shares := row.Shares
		if shares == "" {
			shares = "every server answers at once"
		}
		fmt.Fprintf(&b, "* %s, %s (%s): `%s`\n", markdownEscape(row.Title), markdownEscape(row.Variant), markdownEscape(shares), row.Command)
	}
	b.WriteString("\nSettings of the kernel: ")
	names := make([]string, 0, len(r.Machine.Settings))
	for name := range r.Machine.Settings {
		names = append(names, name)
	}
	sort.Strings(names)
	for i, name := range names {
		names[i] = fmt.Sprintf("`%s=%s`", name, r.Machine.Settings[name])
	}
	fmt.Fprintf(&b, "%s. Load before: %s.\n", strings.Join(names, ", "), r.Machine.Load)
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "\n**Problem**: %s, %s: %s\n", p.Workload, markdownEscape(p.Variant), markdownEscape(p.Text))
	}
	fmt.Fprintf(&b, "\n%s\n", markdownEnd)
	return b.Bytes()
}

// WriteMarkdown writes the report to a file: into its place in a document that
// has one, else as the whole file.
func (r *Report) WriteMarkdown(path, images string) error {
	part := r.Markdown(images)
	old, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return os.WriteFile(path, append([]byte("# Benchmark\n\n"), part...), 0o666)
	}
	if err != nil {
		return err
	}
	document, err := replacePart(old, part)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, document, 0o666)
}

// CheckMarkdown returns the error with which WriteMarkdown would refuse path: a document
// that has no place for a report.
func CheckMarkdown(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if _, err := replacePart(old, nil); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// errNoPart means that a file is there and is not ours to overwrite.
var errNoPart = errors.New("the file exists and has no place for a report: two lines " + markdownBegin + " and " + markdownEnd)

// replacePart returns document with part in the place of the old one.
func replacePart(document, part []byte) ([]byte, error) {
	before, rest, found := bytes.Cut(document, []byte(markdownBegin))
	_, after, ended := bytes.Cut(rest, []byte(markdownEnd+"\n"))
	if !found || !ended {
		return nil, errNoPart
	}
	return slices.Concat(before, part, after), nil
}

// markdown writes the table as GitHub shows it. A heading among the rows is a
// row of its own, in bold.
func (t *table) markdown(b *bytes.Buffer) {
	line := func(cells []string) {
		b.WriteByte('|')
		for _, c := range cells {
			fmt.Fprintf(b, " %s |", markdownEscape(c))
		}
		b.WriteByte('\n')
	}
	line(t.head)
	b.WriteString("|---|" + strings.Repeat("---:|", len(t.head)-1) + "\n")
	for _, row := range t.rows {
		if len(row) == 1 {
			fmt.Fprintf(b, "| **%s** |%s\n", markdownEscape(row[0]), strings.Repeat(" |", len(t.head)-1))
			continue
		}
		line(row)
	}
}

// markdownEscape keeps text from being taken for markup.
func markdownEscape(s string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;", "`", "'").Replace(s)
}
