package command

import (
	"crypto/rand"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

// door stands between kubectl and the API server: it listens on the loopback interface, lets through
// the requests that the command's verb needs, and passes them on by the transport of the function's own client,
// which adds the credential. Its path is a secret of one run.
type door struct {
	address  string
	listener net.Listener
	server   *http.Server
}

// open makes a door to the API server of config for one command.
func open(config *rest.Config, c Command) (*door, error) {
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	secret := "/" + rand.Text()
	proxy := &httputil.ReverseProxy{
		Transport: config.Transport,
		// A watch is answered bit by bit.
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			// Nothing that kubectl sends decides who is asking.
			for name := range r.Out.Header {
				if name == "Authorization" || strings.HasPrefix(name, "Impersonate-") || strings.HasPrefix(name, "X-Remote-") {
					r.Out.Header.Del(name)
				}
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "the API server did not answer", http.StatusBadGateway)
		},
	}
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := c.forbids(r); why != "" {
			http.Error(w, "not let through by the kubectl function: "+why, http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	})
	d := &door{
		address:  "http://" + listener.Addr().String() + secret,
		listener: listener,
		server:   &http.Server{Handler: http.StripPrefix(secret, guarded), ReadHeaderTimeout: 10 * time.Second},
	}
	go func() { _ = d.server.Serve(listener) }()
	return d, nil
}

// close ends the door and every request that is in it.
func (d *door) close() { _ = d.server.Close() }

// Reviews are questions about rights, which Kubernetes has as objects to create. They change nothing.
var reviews = regexp.MustCompile(`^/apis/(authorization\.k8s\.io/[^/]+/selfsubject(access|rules)reviews|authentication\.k8s\.io/[^/]+/selfsubjectreviews)$`)

// restarted are the objects with a rollout.
var restarted = regexp.MustCompile(`^/apis/apps/[^/]+/namespaces/[^/]+/(deployments|daemonsets|statefulsets)/[^/]+$`)

// streams are the subresources that open a way into a pod, a node or a service.
var streams = []string{"attach", "exec", "portforward", "proxy"}

// opensWay reports whether a path is that of such a subresource. An object, a namespace or a kind may
// have the same name, so only the place behind an object's name counts.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
func opensWay(path string) bool {
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	switch {
	case slices.Contains(parts, "."), slices.Contains(parts, ".."):
		// kubectl asks for no such path, and who reads it how is not known.
		return true
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return false
	}
	switch parts[0] {
	case "proxy":
		// The API's former way of writing the subresource.
		return true
	case "watch":
		parts = parts[1:]
	}
	if len(parts) > 2 && parts[0] == "namespaces" && !slices.Contains(streams, parts[2]) {
		parts = parts[2:]
	}
	return len(parts) > 2 && slices.Contains(streams, parts[2])
}

// forbids says why the command has no need of a request, or nothing.
func (c Command) forbids(r *http.Request) string {
	switch {
	case r.Header.Get("Upgrade") != "":
		return "a stream"
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		if opensWay(r.URL.Path) {
			return "a way into a pod, a node or a service"
		}
		return ""
	case r.Method == http.MethodPost && reviews.MatchString(r.URL.Path):
		return ""
	case r.Method == http.MethodPatch && c.verb.writes && restarted.MatchString(r.URL.Path):
		return ""
	}
	return r.Method + " is more than kubectl " + c.Verb() + " needs"
}
