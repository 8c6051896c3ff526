//go:build !linux || portable || !(amd64 || arm64)

package mux

// batchSys is empty where packets travel one by one.
type batchSys struct{}

func (b *Batch) initSys() {}
