//go:build !linux || portable || !(amd64 || arm64)

package mux

// listen opens a socket of package net.
func listen(o Options) (Port, error) {
	p, err := listenNet(o)
	if err != nil {
		return nil, err
	}
	return p, nil
}
