package run

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireSVG reads an image with an XML parser, and checks that it has a title, colours for
// all classes, and no marks outside the picture.
func requireSVG(t *testing.T, image []byte) {
	t.Helper()
	var width, height float64
	defined := map[string]bool{}
	for _, m := range regexp.MustCompile(`\.([a-z0-9]+)\b`).FindAllStringSubmatch(style, -1) {
		defined[m[1]] = true
	}
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		require.NoError(t, err)
		return v
	}
	titles := 0
	d := xml.NewDecoder(bytes.NewReader(image))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if e.Name.Local == "title" {
			titles++
		}
		for _, a := range e.Attr {
			switch a.Name.Local {
			case "width":
				if e.Name.Local == "svg" {
					width = number(a.Value)
				}
				require.GreaterOrEqual(t, number(a.Value), 0.0)
			case "height":
				if e.Name.Local == "svg" {
					height = number(a.Value)
				}
				require.GreaterOrEqual(t, number(a.Value), 0.0)
			case "x", "x1", "x2", "cx":
				require.True(t, number(a.Value) >= 0 && number(a.Value) <= width, "%s=%s of <%s> in a picture %v wide", a.Name.Local, a.Value, e.Name.Local, width)
			case "y", "y1", "y2", "cy":
				require.True(t, number(a.Value) >= 0 && number(a.Value) <= height, "%s=%s of <%s> in a picture %v high", a.Name.Local, a.Value, e.Name.Local, height)
			case "points":
				for _, p := range strings.Fields(a.Value) {
					x, y, ok := strings.Cut(p, ",")
					require.True(t, ok)
					require.True(t, number(x) <= width && number(y) <= height)
				}
			case "class":
				for _, c := range strings.Fields(a.Value) {
					require.True(t, defined[c], "class %q has no style", c)
				}
			}
		}
	}
	require.Equal(t, 1, titles)
	require.Contains(t, string(image), "prefers-color-scheme: dark")
}

func TestFiguresAreWellFormed(t *testing.T) {
	figures := sampleReport().Figures()
	var files []string
	for _, f := range figures {
		t.Run(f.File, func(t *testing.T) { requireSVG(t, f.SVG) })
		files = append(files, f.File)
		require.NotEmpty(t, f.Title)
	}
	require.Equal(t, []string{"throughput.svg", "cpu.svg", "ratio.svg", "scale.svg", "rate.svg"}, files)
}

func TestFiguresOfNothing(t *testing.T) {
	require.Empty(t, (&Report{}).Figures())
}

// Text of other programs, such as a processor's name, cannot become markup.
func TestDrawingEscapes(t *testing.T) {
	d := newDrawing(100, `<script> & "quotes"`, "]]>")
	d.height = 100
	d.text(1, 1, left, "dim", "</svg>")
	requireSVG(t, d.bytes())
	require.NotContains(t, string(d.bytes()), "<script>")
}

func TestScale(t *testing.T) {
	s := scale{from: 0, to: 10, at: 100, end: 200}
	require.InDelta(t, 150, s.pos(5), 1e-9)
	up := scale{from: 0, to: 10, at: 200, end: 100}
	require.InDelta(t, 200, up.pos(0), 1e-9)
	require.InDelta(t, 100, up.pos(10), 1e-9)
	l := scale{from: 1000, to: 1e7, at: 0, end: 400, log: true}
	require.InDelta(t, 100, l.pos(10_000), 1e-9)
	point := scale{from: 3, to: 3, at: 7, end: 9}
	require.InDelta(t, 7, point.pos(3), 1e-9, "a range of one value")
}

func TestTicks(t *testing.T) {
	require.Equal(t, []float64{0, 2, 4, 6, 8, 10}, ticks(0, 10, 5))
	require.Equal(t, []float64{0, 20000, 40000, 60000, 80000}, ticks(0, 99_999, 5))
	require.Equal(t, []float64{95, 100, 105}, ticks(95, 105, 3))
	require.Equal(t, []float64{4}, ticks(4, 4, 5))
	for _, most := range []float64{1e-6, 0.37, 1, 7.3, 1234, 9.9e9} {
		for n := 1; n < 20; n++ {
			got := ticks(0, most, n)
			require.LessOrEqual(t, len(got), n+1, "%v in %d", most, n)
			require.True(t, slices.IsSorted(got))
			require.LessOrEqual(t, got[len(got)-1], most*1.0001)
		}
	}
}
