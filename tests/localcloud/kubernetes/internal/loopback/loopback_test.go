package loopback_test

import (
	"net"
	"testing"

	"localcloud/kubernetes/internal/loopback"
)

func TestReserve(t *testing.T) {
	seen := map[int]bool{}
	for range 20 {
		port, err := loopback.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = port.Release() })
		if seen[port.Number] {
			t.Errorf("port %d was given twice", port.Number)
		}
		seen[port.Number] = true
	}
}

func TestHoldAndRelease(t *testing.T) {
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loopback.Hold(port.Number); err == nil {
		t.Errorf("port %d was given away while held", port.Number)
	}
	if err := port.Release(); err != nil {
		t.Fatal(err)
	}
	if err := port.Release(); err != nil {
		t.Errorf("second Release: %v", err)
	}
	listener, err := net.Listen("tcp", port.HostPort())
	if err != nil {
		t.Fatalf("the port is not free after Release: %v", err)
	}
	_ = listener.Close()
}
