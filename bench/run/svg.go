package run

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
)

// A drawing is an SVG image under construction. It paints its own background,
// and has a second set of colours for readers who prefer a dark one, so that it
// can be read on any page.
type drawing struct {
	width, height float64
	title, about  string
	body          bytes.Buffer
}

// style names every class that drawings use. The colours of the series have a contrast of
// at least 3:1 to their background, and each series has a label too.
const style = `
.back { fill: #ffffff } .title { font-size: 16px; font-weight: 600 } .head { font-size: 13px; font-weight: 600 }
text { font-family: system-ui, sans-serif; font-size: 12px; fill: #1f2328 } .dim { fill: #59636e }
.grid { stroke: #d1d9e0; stroke-width: 1 } .axis { stroke: #59636e; stroke-width: 1 } .mark { stroke: #59636e; stroke-dasharray: 4 3 }
.whisker { stroke: #1f2328; stroke-width: 1.5; fill: none } .over { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
.s0 { fill: #818b98; stroke: #818b98 } .s1 { fill: #0969da; stroke: #0969da } .s2 { fill: #1a7f37; stroke: #1a7f37 }
.s3 { fill: #afb8c1; stroke: #818b98 } .s4 { fill: #8250df; stroke: #8250df } .line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 } text { fill: #f0f6fc } .dim { fill: #9198a1 } .grid { stroke: #3d444d } .axis, .mark { stroke: #9198a1 }
.whisker { stroke: #f0f6fc } .s0 { fill: #9198a1; stroke: #9198a1 } .s1 { fill: #4493f8; stroke: #4493f8 }
.s2 { fill: #3fb950; stroke: #3fb950 } .s3 { fill: #656c76; stroke: #9198a1 } .s4 { fill: #ab7df8; stroke: #ab7df8 }
.line { fill: none } .over { stroke: #0d1117 } }
`

// Anchors of text.
const (
	left   = "start"
	middle = "middle"
	right  = "end"
)

func newDrawing(width float64, title, about string) *drawing {
	d := &drawing{width: width, title: title, about: about}
	d.text(16, 28, left, "title", title)
	d.text(16, 48, left, "dim", about)
	return d
}

// coordinate writes a number with at most one decimal.
func coordinate(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

func (d *drawing) text(x, y float64, anchor, class, s string) {
	fmt.Fprintf(&d.body, `<text x="%s" y="%s" text-anchor="%s" class="%s">`, coordinate(x), coordinate(y), anchor, class)
	_ = xml.EscapeText(&d.body, []byte(s)) // a buffer takes everything
	d.body.WriteString("</text>\n")
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&d.body, `<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s"/>`+"\n", coordinate(x1), coordinate(y1), coordinate(x2), coordinate(y2), class)
}

func (d *drawing) rect(x, y, w, h float64, class string) {
	fmt.Fprintf(&d.body, `<rect x="%s" y="%s" width="%s" height="%s" class="%s"/>`+"\n", coordinate(x), coordinate(y), coordinate(w), coordinate(h), class)
}

func (d *drawing) dot(x, y, r float64, class string) {
	fmt.Fprintf(&d.body, `<circle cx="%s" cy="%s" r="%s" class="%s"/>`+"\n", coordinate(x), coordinate(y), coordinate(r), class)
}

// path draws a line through points, x and y in turn.
func (d *drawing) path(class string, points ...float64) {
	d.body.WriteString(`<polyline points="`)
	for i := 0; i+1 < len(points); i += 2 {
		fmt.Fprintf(&d.body, "%s,%s ", coordinate(points[i]), coordinate(points[i+1]))
	}
	fmt.Fprintf(&d.body, `" class="%s"/>`+"\n", class)
}

// across draws a whisker from x1 to x2, upright one from y1 to y2.
func (d *drawing) across(x1, x2, y float64) {
	d.line(x1, y, x2, y, "whisker")
	d.line(x1, y-3, x1, y+3, "whisker")
	d.line(x2, y-3, x2, y+3, "whisker")
}

func (d *drawing) upright(x, y1, y2 float64) {
	d.line(x, y1, x, y2, "whisker")
	d.line(x-3, y1, x+3, y1, "whisker")
	d.line(x-3, y2, x+3, y2, "whisker")
}

// bytes returns the finished image.
func (d *drawing) bytes() []byte {
	var b bytes.Buffer
	w, h := coordinate(d.width), coordinate(d.height)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" role="img">`+"\n", w, h, w, h)
	b.WriteString("<title>")
	_ = xml.EscapeText(&b, []byte(d.title))
	b.WriteString("</title>\n<desc>")
	_ = xml.EscapeText(&b, []byte(d.about))
	fmt.Fprintf(&b, "</desc>\n<style>%s</style>\n"+`<rect width="%s" height="%s" class="back"/>`+"\n", style, w, h)
	b.Write(d.body.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// A scale maps values to coordinates.
type scale struct {
	from, to float64 // values
	at, end  float64 // coordinates
	log      bool
}

func (s *scale) pos(v float64) float64 {
	from, to := s.from, s.to
	if s.log {
		v, from, to = math.Log10(v), math.Log10(from), math.Log10(to)
	}
	if to == from {
		return s.at
	}
	return s.at + (v-from)/(to-from)*(s.end-s.at)
}

// ticks returns round values from least to most, about n of them: steps of 1,
// 2 or 5 times a power of ten.
func ticks(least, most float64, n int) []float64 {
	if !(most > least) || n < 1 {
		return []float64{least}
	}
	step := math.Pow(10, math.Floor(math.Log10((most-least)/float64(n))))
	for _, f := range []float64{1, 2, 5, 10} {
		if (most-least)/(step*f) <= float64(n) {
			step *= f
			break
		}
	}
	var out []float64
	for i := math.Ceil(least/step - 1e-9); i*step <= most+step*1e-9; i++ {
		out = append(out, i*step)
	}
	return out
}
