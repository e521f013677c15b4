package kubetest

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// Fake is an API server of a few kinds that keeps what it is sent. It knows no schema: it merges an
// apply or a strategic patch as JSON does, so what those mean is for the tests against a [Server].
type Fake struct {
	// Server is the HTTPS server, with a certificate of its own authority.
	Server *httptest.Server

	mu       sync.Mutex
	objects  map[string]map[string]any
	version  int
	requests []string
	tokens   []string
	answers  map[string][]Answer
}

// Answer is an answer to be given instead of the fake's own.
type Answer struct {
	Status int
	// Reason is the machine-readable reason, such as Forbidden.
	Reason string
	// Message is for people.
	Message string
}

// resources are the kinds that the fake serves, by group and version.
var resources = map[string][]map[string]any{
	"v1": {
		{"name": "configmaps", "singularName": "configmap", "namespaced": true, "kind": "ConfigMap", "shortNames": []string{"cm"}},
		{"name": "secrets", "singularName": "secret", "namespaced": true, "kind": "Secret"},
		{"name": "services", "singularName": "service", "namespaced": true, "kind": "Service", "shortNames": []string{"svc"}},
		{"name": "namespaces", "singularName": "namespace", "namespaced": false, "kind": "Namespace", "shortNames": []string{"ns"}},
	},
	"apps/v1": {
		{"name": "deployments", "singularName": "deployment", "namespaced": true, "kind": "Deployment", "shortNames": []string{"deploy"}},
	},
	"rbac.authorization.k8s.io/v1": {
		{"name": "rolebindings", "singularName": "rolebinding", "namespaced": true, "kind": "RoleBinding"},
		{"name": "clusterrolebindings", "singularName": "clusterrolebinding", "namespaced": false, "kind": "ClusterRoleBinding"},
	},
}

// NewFake starts a fake that lives as long as the test.
func NewFake(t *testing.T) *Fake {
	t.Helper()
	fake := &Fake{objects: map[string]map[string]any{}, answers: map[string][]Answer{}}
	fake.Server = httptest.NewUnstartedServer(fake)
	// Clients that give up or distrust the certificate are part of the tests.
	fake.Server.Config.ErrorLog = log.New(io.Discard, "", 0)
	fake.Server.StartTLS()
	t.Cleanup(fake.Server.Close)
	return fake
}

// Config returns a configuration that trusts the fake.
func (f *Fake) Config() *rest.Config {
	return &rest.Config{Host: f.Server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}, QPS: -1}
}

// Put stores an object under its path, such as /api/v1/namespaces/shop/configmaps/web.
func (f *Fake) Put(path, object string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var content map[string]any
	if err := json.Unmarshal([]byte(object), &content); err != nil {
		panic(err)
	}
	f.store(path, content)
}

// Object returns the object under a path, nil when there is none.
func (f *Fake) Object(path string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.objects[path]
}

// Answer gives answers to the next requests with a method and path, such as "GET /api/v1/namespaces/shop".
func (f *Fake) Answer(request string, answers ...Answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[request] = append(f.answers[request], answers...)
}

// Requests returns the requests other than discovery, as "METHOD path", and forgets them.
func (f *Fake) Requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	requests := f.requests
	f.requests = nil
	return requests
}

// Tokens returns the Authorization headers of the requests, without repetition.
func (f *Fake) Tokens() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tokens
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if token := r.Header.Get("Authorization"); len(f.tokens) == 0 || f.tokens[len(f.tokens)-1] != token {
		f.tokens = append(f.tokens, token)
	}
	if f.discover(w, r.URL.Path) {
		return
	}
	request := r.Method + " " + r.URL.Path
	f.requests = append(f.requests, request)
	if answers := f.answers[request]; len(answers) > 0 {
		f.answers[request] = answers[1:]
		fail(w, answers[0])
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		fail(w, Answer{http.StatusBadRequest, "BadRequest", err.Error()})
		return
	}
	f.serve(w, r, body)
}

// discover answers the requests of discovery.
func (f *Fake) discover(w http.ResponseWriter, path string) bool {
	switch {
	case path == "/api":
		reply(w, http.StatusOK, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}})
	case path == "/apis":
		var groups []any
		for version := range resources {
			if group, short, ok := strings.Cut(version, "/"); ok {
				one := map[string]any{"groupVersion": version, "version": short}
				groups = append(groups, map[string]any{"name": group, "versions": []any{one}, "preferredVersion": one})
			}
		}
		reply(w, http.StatusOK, map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
	case path == "/api/v1" || strings.HasPrefix(path, "/apis/") && strings.Count(path, "/") == 3:
		version := strings.TrimPrefix(strings.TrimPrefix(path, "/apis/"), "/api/")
		var served []any
		for _, resource := range resources[version] {
			resource["verbs"] = []string{"get", "list", "create", "patch", "delete"}
			served = append(served, resource)
		}
		reply(w, http.StatusOK, map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": served})
	default:
		return false
	}
	return true
}

// serve answers a request for objects.
func (f *Fake) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	path := r.URL.Path
	live, ok := f.objects[path]
	switch {
	case r.Method == http.MethodPost:
		var sent map[string]any
		_ = json.Unmarshal(body, &sent)
		metadata, _ := sent["metadata"].(map[string]any)
		path = fmt.Sprintf("%s/%v", path, metadata["name"])
		if _, ok := f.objects[path]; ok {
			fail(w, Answer{http.StatusConflict, "AlreadyExists", path + " already exists"})
			return
		}
		reply(w, http.StatusCreated, f.store(path, sent))
	case r.Method == http.MethodPatch && (ok || r.Header.Get("Content-Type") == "application/apply-patch+yaml"):
		f.merge(w, r, live, body)
	case r.Method == http.MethodGet && f.isCollection(path):
		f.list(w, r)
	case !ok:
		fail(w, Answer{http.StatusNotFound, "NotFound", path + " not found"})
	case r.Method == http.MethodGet:
		reply(w, http.StatusOK, live)
	case r.Method == http.MethodDelete:
		delete(f.objects, path)
		reply(w, http.StatusOK, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	default:
		fail(w, Answer{http.StatusMethodNotAllowed, "MethodNotAllowed", "not served"})
	}
}

// merge answers a patch that is an object.
func (f *Fake) merge(w http.ResponseWriter, r *http.Request, live map[string]any, body []byte) {
	var patch map[string]any
	if err := json.Unmarshal(body, &patch); err != nil {
		fail(w, Answer{http.StatusBadRequest, "BadRequest", err.Error()})
		return
	}
	if r.URL.Query().Get("dryRun") == "All" {
		reply(w, http.StatusOK, merged(live, patch))
		return
	}
	reply(w, http.StatusOK, f.store(r.URL.Path, merged(live, patch)))
}

// merged returns what RFC 7386 makes of an object and a patch.
func merged(live, patch map[string]any) map[string]any {
	result := map[string]any{}
	for key, value := range live {
		result[key] = value
	}
	for key, value := range patch {
		members, isMap := value.(map[string]any)
		before, _ := result[key].(map[string]any)
		switch {
		case value == nil:
			delete(result, key)
		case isMap:
			result[key] = merged(before, members)
		default:
			result[key] = value
		}
	}
	return result
}

// isCollection reports whether a path ends with a resource's name.
func (f *Fake) isCollection(path string) bool {
	last := path[strings.LastIndex(path, "/")+1:]
	for _, served := range resources {
		for _, resource := range served {
			if resource["name"] == last {
				return true
			}
		}
	}
	return false
}

// list answers with the objects of a collection that a selector of keys and equalities matches, in pages
// of the size asked for.
func (f *Fake) list(w http.ResponseWriter, r *http.Request) {
	var paths []string
	for path := range f.objects {
		if strings.HasPrefix(path, r.URL.Path+"/") {
			paths = append(paths, path)
		}
	}
	sort.Strings(paths)
	items := []any{}
	for _, path := range paths {
		metadata, _ := f.objects[path]["metadata"].(map[string]any)
		labels, _ := metadata["labels"].(map[string]any)
		matches := true
		for _, term := range strings.Split(r.URL.Query().Get("labelSelector"), ",") {
			key, value, equal := strings.Cut(term, "=")
			label, ok := labels[key]
			matches = matches && (term == "" || ok && (!equal || label == value))
		}
		if matches {
			items = append(items, f.objects[path])
		}
	}
	metadata := map[string]any{}
	begin, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	items = items[begin:]
	if size, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && size > 0 && size < len(items) {
		items, metadata["continue"] = items[:size], strconv.Itoa(begin+size)
	}
	reply(w, http.StatusOK, map[string]any{"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items})
}

// store keeps an object and gives it a new resourceVersion.
func (f *Fake) store(path string, object map[string]any) map[string]any {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		object["metadata"] = metadata
	}
	f.version++
	metadata["resourceVersion"] = fmt.Sprint(f.version)
	f.objects[path] = object
	return object
}

func reply(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, answer Answer) {
	reply(w, answer.Status, map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure",
		"code": answer.Status, "reason": answer.Reason, "message": answer.Message,
	})
}
