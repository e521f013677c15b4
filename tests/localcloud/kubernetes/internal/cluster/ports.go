package cluster

import (
	"localcloud/kubernetes/internal/loopback"
)

// ports are the ports of one cluster, each held until its component starts.
type ports struct {
	etcd, etcdPeer, endpoint, controllerManager, scheduler, kwok *loopback.Port
}

// reservePorts holds a port for every component; the API server's is the given one unless that is 0.
func reservePorts(endpoint int) (ports, error) {
	var p ports
	var err error
	if endpoint == 0 {
		p.endpoint, err = loopback.Reserve()
	} else {
		p.endpoint, err = loopback.Hold(endpoint)
	}
	if err != nil {
		return p, err
	}
	for _, port := range []**loopback.Port{&p.etcd, &p.etcdPeer, &p.controllerManager, &p.scheduler, &p.kwok} {
		if *port, err = loopback.Reserve(); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p ports) numbers() map[string]int {
	return map[string]int{
		etcd:              p.etcd.Number,
		etcd + "-peer":    p.etcdPeer.Number,
		apiServer:         p.endpoint.Number,
		controllerManager: p.controllerManager.Number,
		scheduler:         p.scheduler.Number,
		kwok:              p.kwok.Number,
	}
}
