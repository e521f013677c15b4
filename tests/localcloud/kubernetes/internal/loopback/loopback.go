// Package loopback finds free TCP ports on 127.0.0.1, so that any number of clusters run side by
// side without a fixed port.
package loopback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Address is the only address that anything of a local cluster listens on.
const Address = "127.0.0.1"

// The range lies below Linux' ephemeral ports (32768 and up, ip_local_port_range): a port from there
// could become the source port of someone's outgoing connection before its component listens.
const (
	first    = 20000
	last     = 29999
	attempts = 200
)

// Port is a TCP port held by a listener until its user is about to listen itself. Holding it keeps
// two components, or two clusters that start at the same time, from being given the same port.
type Port struct {
	// Number is the port's number.
	Number   int
	listener net.Listener
}

// Reserve holds a free port.
func Reserve() (*Port, error) {
	var tried error
	for range attempts {
		port, err := Hold(first + rand.IntN(last-first+1)) //nolint:gosec // not a secret
		if err == nil {
			return port, nil
		}
		tried = err
	}
	return nil, fmt.Errorf("find a free port between %d and %d: %w", first, last, tried)
}

// Hold holds the given port.
func Hold(number int) (*Port, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", Address, number))
	if err != nil {
		return nil, fmt.Errorf("hold port %d: %w", number, err)
	}
	return &Port{Number: number, listener: listener}, nil
}

// Release frees the port for its user. Releasing twice is safe.
func (p *Port) Release() error {
	if err := p.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("release port %d: %w", p.Number, err)
	}
	return nil
}

// String returns the port's number in decimal, as flags want it.
func (p *Port) String() string { return fmt.Sprint(p.Number) }

// HostPort returns the port with its address, such as 127.0.0.1:20001.
func (p *Port) HostPort() string { return fmt.Sprintf("%s:%d", Address, p.Number) }
