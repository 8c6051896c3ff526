package mux_test

import (
	"testing"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/mux/muxtest"
)

func TestContract(t *testing.T) {
	for _, c := range muxtest.Contract {
		t.Run(c.Name, func(t *testing.T) {
			o := mux.Options{Local: loopback, Rcvbuf: 1 << 20}
			c.Check(t, listen(t, o), listen(t, o))
		})
	}
}
