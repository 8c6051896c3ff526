package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a2scan/a2scan/internal/osfile"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/scanner"
)

// summary returns the lines at the end of a scan: what the targets answered, how the scan
// went, and the file that was written.
func (r *scanRun) summary(m *dataset.Metadata, result *scanner.Result) []string {
	settled := m.Targets.Done + m.Targets.Aborted
	took := result.End.Sub(result.Start)
	targets := plural(settled, "target", "targets")
	if e := r.earlier; e != nil && e.records > 0 {
		targets += fmt.Sprintf(" (%s of them by earlier runs)", thousands(uint64(e.records)))
	}
	lines := []string{fmt.Sprintf("%s in %s: %s", targets, formatTook(took), statusShares(&m.Statuses, settled))}

	speed := formatRate(perSecond(0, result.Stats.Sent, took))
	if result.Stats.RTT[0] >= 0 {
		speed += fmt.Sprintf("; RTT %s median, %s p99", formatRTT(result.Stats.RTT[0]), formatRTT(result.Stats.RTT[2]))
	}
	lines = append(lines, fmt.Sprintf("%s; %s dropped; seed %d", speed, plural(m.Socket.RxDropped, "reply", "replies"), m.Seed))

	if file := r.options.outputFile; file != "-" {
		size := formatBytes(m.Output.Bytes)
		if c := m.Output.CompressedBytes; c != nil {
			size = fmt.Sprintf("%s, %s unpacked", formatBytes(*c), size)
		}
		lines = append(lines, fmt.Sprintf("%s: %s, %s", file, plural(uint64(m.Output.Records), "record", "records"), size))
	}
	return lines
}

// nextStep returns the command that follows a scan, or "".
func (r *scanRun) nextStep(m *dataset.Metadata, result *scanner.Result, err error) string {
	file := r.options.outputFile
	switch {
	case err != nil || file == "-" || osfile.IsOpenName(file) || isDevice(file):
	case result.Reason == dataset.EndInterrupted:
		return r.resumeHint()
	case m.Output.Records > 0 && lookup("report") != nil:
		return "a2scan report " + quoteWords([]string{file})
	}
	return ""
}

// resumeHint returns the command line that resumes the scan.
func (r *scanRun) resumeHint() string {
	o := r.options
	if len(r.args) == 0 || r.args[0] != "scan" {
		return "" // a demo cannot be resumed
	}
	text := "resume with: " + resumeCommand(r.args, o.outputFile, o.metadataFile == "")
	if slices.Contains(o.listNames(r.targetArgs), "-") {
		text += ", with the same targets on standard input"
	}
	return text
}

// resumeCommand returns the command line that resumes a scan of the command line args. The
// metadata next to the output file, if it is there, has the other flags.
func resumeCommand(args []string, file string, metadata bool) string {
	if metadata {
		return commandLine([]string{"scan", "--resume", "-o", file})
	}
	if slices.Contains(args, "--resume") {
		return commandLine(args)
	}
	return commandLine(append(slices.Clone(args), "--resume"))
}

// statusShares lists the statuses that occurred, each with its share of all.
func statusShares(c *output.StatusCounts, all uint64) string {
	var parts []string
	for i, n := range c {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s (%s)", thousands(n), output.Status(i), percent(n, all)))
		}
	}
	if len(parts) == 0 {
		return "no targets"
	}
	return strings.Join(parts, ", ")
}

// percent returns n of all in percent. Something is never 0 %, and not all is never 100 %.
func percent(n, all uint64) string {
	switch p := float64(n) * 100 / float64(max(all, 1)); {
	case n > 0 && p < 1:
		return "<1 %"
	case n < all && p > 99:
		return ">99 %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// formatTook returns a duration with the digits that matter.
func formatTook(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}
