package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/a2scan/a2scan/internal/osfile"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
)

// datedRecords are the files of --records. A name with a date means another file when the
// date changes; each is a dataset with its metadata.
type datedRecords struct {
	run     *watchRun
	pattern string

	name   string
	file   *dataset.File
	meta   *osfile.File
	m      *dataset.Metadata
	buf    []byte // records that are not written yet
	synced time.Time
	second int64 // in which the name was compared with the date last
}

// dates are the directives of strftime that a name may have.
var dates = map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05"}

// checkDates returns an error if a name has a directive that is none of dates.
func checkDates(name string) error {
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			continue
		}
		i++
		if i == len(name) || name[i] != '%' && dates[name[i]] == "" {
			return withHint(fmt.Errorf("--records %s: a %% must begin %%Y, %%m, %%d, %%H, %%M or %%S", quote(name)), "write %%%% for a percent sign")
		}
	}
	return nil
}

// dated returns the name at a time, in UTC as all times in records.
func dated(pattern string, at time.Time) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] != '%' || i+1 == len(pattern):
			b.WriteByte(pattern[i])
		default:
			i++
			if layout := dates[pattern[i]]; layout != "" {
				b.WriteString(at.UTC().Format(layout))
			} else {
				b.WriteByte(pattern[i])
			}
		}
	}
	return b.String()
}

func newDatedRecords(r *watchRun, pattern string) *datedRecords {
	return &datedRecords{run: r, pattern: pattern}
}

// open opens the file of a time. The records that it holds are kept.
func (d *datedRecords) open(at time.Time) (err error) {
	name := dated(d.pattern, at)
	f, err := dataset.Open(name, dataset.CompressAuto)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Discard())
		}
	}()
	m := d.run.commandMetadata(d.run.flags, &d.run.options.scan, d.run.args, at)
	first := true
	var record output.Record
	err = f.Load(func(line []byte) (bool, error) {
		if err := output.Unmarshal(line, &record); err != nil {
			return false, nil // a damaged line
		}
		if first {
			m.StartTime = output.Timestamp{Time: record.Time}
			first = false
		}
		count(m, &record, len(line)+1)
		return true, nil
	})
	if err != nil && !errors.Is(err, dataset.ErrNotRegular) {
		return err
	}
	if err := f.Start(); err != nil {
		return err
	}
	d.name, d.file, d.m, d.synced = name, f, m, at
	if d.meta, err = openBeside((&scanOptions{outputFile: name}).metadataPath()); err != nil {
		return err
	}
	return d.writeMetadata()
}

// count adds a record to the counts of m.
func count(m *dataset.Metadata, r *output.Record, length int) {
	m.Statuses[r.Status]++
	m.Input.Targets++
	if r.Status == output.Aborted {
		m.Targets.Aborted++
	} else {
		m.Targets.Done++
	}
	counts := [proto.NumKinds]*output.StatusCounts{proto.KindInfo: &m.Sections.Info, proto.KindPlayers: &m.Sections.Players, proto.KindRules: &m.Sections.Rules}
	for k, s := range sectionsOf(r) {
		if s != nil && !unasked(r.Status) {
			counts[k][s.Status]++
		}
	}
	p := &m.Packets
	p.Sent += uint64(r.PacketsSent)
	p.Received += uint64(r.PacketsReceived)
	p.BytesReceived += uint64(r.BytesReceived)
	m.Output.Records++
	m.Output.Bytes += int64(length)
}

// write appends a record with the number of its round.
func (d *datedRecords) write(r *output.Record, line []byte) error {
	now := time.Now()
	if second := now.Unix(); second != d.second && dated(d.pattern, now) != d.name {
		if err := d.close(true); err != nil {
			return err
		}
		if err := d.open(now); err != nil {
			return openError("records", err)
		}
	}
	d.second = now.Unix()
	before := len(d.buf)
	d.buf = append(append(d.buf, bytes.TrimSuffix(line, []byte("}\n"))...), `,"round":`...)
	d.buf = strconv.AppendUint(d.buf, d.run.watcher.Round(), 10)
	d.buf = append(d.buf, "}\n"...)
	count(d.m, r, len(d.buf)-before)
	switch {
	case now.Sub(d.synced) >= time.Second:
		d.synced = now
		return d.sync()
	case len(d.buf) >= 64<<10:
		return d.flush()
	}
	return nil
}

// flush writes the records in buf.
func (d *datedRecords) flush() error {
	err := d.file.WriteLines(d.buf)
	d.buf = d.buf[:0]
	if err != nil {
		return fmt.Errorf("cannot write records: %w", err)
	}
	return nil
}

// sync hands all records to the operating system.
func (d *datedRecords) sync() error {
	if err := d.flush(); err != nil {
		return err
	}
	if _, err := d.file.Sync(); err != nil {
		return fmt.Errorf("cannot write records: %w", err)
	}
	return nil
}

// close finishes the file. complete is false if the watch was interrupted.
func (d *datedRecords) close(complete bool) error {
	if d.file == nil {
		return nil
	}
	err := d.flush()
	packed, syncErr := d.file.Sync()
	err = errors.Join(err, syncErr, d.file.Close())
	if d.file.Compression() != dataset.CompressNone {
		d.m.Output.CompressedBytes = &packed
	}
	d.m.EndTime = output.Timestamp{Time: time.Now()}
	d.m.DurationS = dataset.Decimal(d.m.EndTime.Sub(d.m.StartTime.Time).Seconds())
	d.m.EndReason = dataset.EndInterrupted
	if complete {
		d.m.EndReason = dataset.EndComplete
	}
	d.file = nil
	err = errors.Join(err, d.writeMetadata())
	if d.meta != nil {
		err = errors.Join(err, d.meta.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot write records: %w", err)
	}
	return nil
}

func (d *datedRecords) writeMetadata() error {
	if d.meta == nil {
		return nil
	}
	b, err := d.m.AppendJSON(nil)
	if err != nil {
		return err
	}
	return replaceContent(d.meta, b)
}
