package run

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// A Figure is one image of a report.
type Figure struct {
	File  string // its name
	Group string // the title of the table that it belongs to
	Title string
	SVG   []byte
}

// Figures draws the report's figures.
func (r *Report) Figures() []Figure {
	var all []Figure
	add := func(file, group, title string, image []byte) {
		if image != nil {
			all = append(all, Figure{File: file, Group: group, Title: title, SVG: image})
		}
	}
	speed := "Servers per second"
	add("throughput.svg", "Throughput", speed, r.bars(speed, "Live servers found a second; more is better. Bars are medians, whiskers the least and most run.",
		func(row *Row) Summary {
			if row.Lossy { // a scan that retries lost packets waits, and the limit does not
				return Summary{}
			}
			return row.ServersPerS
		}, short))
	cpu := "Processor time per server"
	add("cpu.svg", "Throughput", cpu, r.bars(cpu, "Microseconds of CPU, user and system, of that process alone; less is better.",
		func(row *Row) Summary { return row.CPUPerServer }, significant))
	over := "Cost beyond the limit"
	add("ratio.svg", "Throughput", over, r.dots(over, "CPU of the scan divided by that of the bare socket in the same round; 1 is the limit."))
	series := "Speed and memory by targets"
	add("scale.svg", "Scale", series, r.lines(series, "INFO with challenge: speed and memory by the number of targets."))
	rate := "Packets per second at the receiver"
	add("rate.svg", "Rate", rate, r.rateFigure(rate, "Packets in each whole second, as a share of the requested rate; each dot is a second."))
	return all
}

// WriteFigures writes all figures into a folder, which is made.
func (r *Report) WriteFigures(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, f := range r.Figures() {
		if err := os.WriteFile(filepath.Join(dir, f.File), f.SVG, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// series returns the class of a row's colour.
func series(row *Row) string {
	variant, bareOne := row.Variant, row.bare()
	switch {
	case bareOne && variant != nameBare:
		return "s3"
	case bareOne:
		return "s0"
	case variant == nameScan:
		return "s1"
	case variant == nameZstd:
		return "s2"
	}
	return "s4"
}

const figureWidth = 860

// labelled is the position at which bars begin: space for the longest label.
const labelled = 190

// bars draws a quantity of every throughput row.
func (r *Report) bars(title, about string, of func(*Row) Summary, format func(float64) string) []byte {
	var rows []*Row
	most := 0.0
	for _, row := range r.in(Throughput) {
		if s := of(row); s.Runs > 0 {
			rows = append(rows, row)
			most = max(most, s.Max)
		}
	}
	if most == 0 {
		return nil
	}
	d := newDrawing(figureWidth, title, about)
	x := scale{to: most * 1.02, at: labelled, end: figureWidth - 90}
	y, top := 66.0, 66.0
	var drawn []func()
	workload := ""
	for _, row := range rows {
		if row.Workload != workload {
			workload = row.Workload
			y += 12
			at, text := y+8, row.Title
			drawn = append(drawn, func() { d.text(16, at, left, "head over", text) })
			y += 18
		}
		s, at := of(row), y
		drawn = append(drawn, func() {
			d.text(labelled-8, at+12, right, "dim", row.Variant)
			d.rect(x.at, at+2, x.pos(s.Median)-x.at, 13, series(row))
			if s.Runs > 1 {
				d.across(x.pos(s.Min), x.pos(s.Max), at+8.5)
			}
			d.text(x.pos(s.Max)+8, at+12, left, "over", format(s.Median))
		})
		y += 20
	}
	for _, t := range ticks(0, most, 8) {
		d.line(x.pos(t), top, x.pos(t), y+4, "grid")
		d.text(x.pos(t), y+20, middle, "dim", format(t))
	}
	for _, draw := range drawn {
		draw()
	}
	d.line(x.at, top, x.at, y+4, "axis")
	d.height = y + 34
	return d.bytes()
}

// dots draws the ratios of processor time to the bare socket's, a dot for each
// round's median.
func (r *Report) dots(title, about string) []byte {
	var rows []*Row
	least, most := 1.0, 1.0
	for _, row := range r.in(Throughput) {
		if s := row.CPUVsBare; s.Runs > 0 {
			rows = append(rows, row)
			least, most = min(least, s.Min), max(most, s.Max)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	d := newDrawing(figureWidth, title, about)
	margin := (most - least) * 0.05
	x := scale{from: max(least-margin, 0), to: most + margin, at: labelled, end: figureWidth - 90}
	y, top := 66.0, 66.0
	var drawn []func()
	workload := ""
	for _, row := range rows {
		if row.Workload != workload {
			workload = row.Workload
			y += 12
			at, text := y+8, row.Title
			drawn = append(drawn, func() { d.text(16, at, left, "head over", text) })
			y += 18
		}
		s, at := row.CPUVsBare, y
		drawn = append(drawn, func() {
			d.text(labelled-8, at+12, right, "dim", row.Variant)
			d.across(x.pos(s.Min), x.pos(s.Max), at+8)
			d.dot(x.pos(s.Median), at+8, 5, series(row))
			d.text(x.pos(s.Max)+10, at+12, left, "over", ratio(s.Median))
		})
		y += 20
	}
	for _, t := range ticks(x.from, x.to, 8) {
		d.line(x.pos(t), top, x.pos(t), y+4, "grid")
		d.text(x.pos(t), y+20, middle, "dim", significant(t))
	}
	d.line(x.pos(1), top, x.pos(1), y+4, "mark")
	for _, draw := range drawn {
		draw()
	}
	d.height = y + 34
	return d.bytes()
}

// lines draws the scale series: speed above, memory below.
func (r *Report) lines(title, about string) []byte {
	rows := r.in(Scale)
	if len(rows) == 0 {
		return nil
	}
	d := newDrawing(figureWidth, title, about)
	first, last := rows[0].Targets, rows[len(rows)-1].Targets
	x := scale{from: float64(first), to: float64(last), at: 90, end: figureWidth - 150, log: true}
	panel := func(top float64, name string, of func(*Row) Summary, unit float64, format func(float64) string) {
		const height = 170
		most := 0.0
		for _, row := range rows {
			most = max(most, of(row).Max/unit)
		}
		if most == 0 {
			return
		}
		y := scale{to: most * 1.05, at: top + height, end: top}
		d.text(16, top-12, left, "head", name)
		for _, t := range ticks(0, y.to, 5) {
			d.line(x.at, y.pos(t), x.end, y.pos(t), "grid")
			d.text(x.at-8, y.pos(t)+4, right, "dim", format(t))
		}
		for n := float64(first); n <= float64(last)*1.001; n *= 10 {
			d.line(x.pos(n), top, x.pos(n), top+height, "grid")
			d.text(x.pos(n), top+height+16, middle, "dim", thousandsOf(n))
		}
		var labels []float64 // heights that are taken
		for _, class := range []string{"s0", "s1", "s2"} {
			var points []float64
			name := ""
			for _, row := range rows {
				s := of(row)
				if series(row) != class || s.Runs == 0 {
					continue
				}
				name = row.Variant
				at := x.pos(float64(row.Targets))
				points = append(points, at, y.pos(s.Median/unit))
				if s.Runs > 1 {
					d.upright(at, y.pos(s.Min/unit), y.pos(s.Max/unit))
				}
			}
			if len(points) == 0 {
				continue
			}
			d.path(class+" line", points...)
			for i := 0; i < len(points); i += 2 {
				d.dot(points[i], points[i+1], 4, class)
			}
			at := points[len(points)-1]
			for _, l := range labels {
				if math.Abs(l-at) < 14 {
					at = l - 14
				}
			}
			labels = append(labels, at)
			d.text(points[len(points)-2]+12, at+4, left, "", name)
		}
		d.line(x.at, top+height, x.end, top+height, "axis")
	}
	panel(92, "live servers a second", func(row *Row) Summary { return row.ServersPerS }, 1, short)
	panel(318, "peak memory in MiB", func(row *Row) Summary { return row.PeakRSS }, 1<<20, significant)
	d.text((x.at+x.end)/2, 524, middle, "dim", "targets")
	d.height = 536
	return d.bytes()
}

// rateFigure draws the seconds of each rate.
func (r *Report) rateFigure(title, about string) []byte {
	if len(r.Rates) == 0 {
		return nil
	}
	d := newDrawing(figureWidth, title, about)
	least, most := 95.0, 105.0
	for _, row := range r.Rates {
		for _, n := range row.Seconds {
			p := float64(n) / row.AskedPPS * 100
			least, most = min(least, p), max(most, p)
		}
	}
	const top, height = 72, 260
	y := scale{from: least, to: most, at: top + height, end: top}
	for _, t := range ticks(least, most, 10) {
		d.line(80, y.pos(t), figureWidth-30, y.pos(t), "grid")
		d.text(72, y.pos(t)+4, right, "dim", significant(t)+" %")
	}
	d.line(80, y.pos(100), figureWidth-30, y.pos(100), "mark")
	column := float64(figureWidth-110) / float64(len(r.Rates))
	for i, row := range r.Rates {
		from := 80 + column*float64(i)
		d.text(from+column/2, top+height+18, middle, "", fmt.Sprintf("--rate %.0f", row.AskedPPS))
		d.text(from+column/2, top+height+36, middle, "dim", fmt.Sprintf("busiest 10 ms: %s", thousands(uint64(row.Busiest10ms))))
		d.text(from+column/2, top+height+52, middle, "dim", fmt.Sprintf("(even: %s)", significant(row.Even10ms)))
		for j, n := range row.Seconds {
			at := from + column*(0.15+0.7*(float64(j)+0.5)/float64(len(row.Seconds)))
			d.dot(at, y.pos(float64(n)/row.AskedPPS*100), 4, "s1")
		}
	}
	d.line(80, top+height, figureWidth-30, top+height, "axis")
	d.height = top + height + 66
	return d.bytes()
}
