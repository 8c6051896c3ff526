package mux

type batchSys struct{}

func (b *Batch) initSys() {}
