package helm_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/helm"
	"github.com/harmonix-eks/environment-provider/internal/helm/helmtest"
)

// outcome is what loading a chart came to.
type outcome struct {
	Chart string
	Code  fault.Code
	Text  string
}

// check loads a chart and compares: "name version", or the code and a part of the error's text.
func check(t *testing.T, reason string, charts *helm.Charts, source helm.Source, want outcome) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	chart, err := charts.Load(t.Context(), source)
	got := outcome{Code: fault.CodeOf(err)}
	if err == nil {
		got.Chart = chart.Name + " " + chart.Version
	} else if f := fault.As(err); strings.Contains(f.Message+" "+f.Next, want.Text) {
		got.Text = want.Text
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s%v", reason, diff, err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
}

func TestRepository(t *testing.T) {
	library := helmtest.Web("1.0.0")
	library.Name = "library"
	library.Files = map[string]string{"Chart.yaml": "apiVersion: v2\nname: library\nversion: 1.0.0\ntype: library\n"}
	lacking := library
	lacking.Name = "lacking"
	lacking.Files = map[string]string{"Chart.yaml": "apiVersion: v2\nname: lacking\nversion: 1.0.0\ndependencies: [{name: other, version: 1.0.0}]\n"}
	charts := []helmtest.Chart{library, lacking, helmtest.Web("9.0.0-rc.1")}
	for _, version := range []string{"1.6.1", "1.6.2", "1.7.0", "1.8.0", "2.0.0", "2.1.0"} {
		charts = append(charts, helmtest.Web(version))
	}
	server := helmtest.Repository(t, charts...)
	forged := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/index.yaml" {
			_, _ = fmt.Fprintf(w, "apiVersion: v1\nentries:\n  web: [{apiVersion: v2, name: web, version: 1.0.0, urls: [web.tgz], digest: abc}]\n")
			return
		}
		_, _ = w.Write(helmtest.Web("1.0.0").Archive(t))
	}))
	t.Cleanup(forged.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	t.Cleanup(page.Close)
	refusing := httptest.NewServer(http.NotFoundHandler())
	refusing.Close()
	cases := map[string]struct {
		reason string
		source helm.Source
		want   outcome
	}{
		"Exact":      {"a version", helm.Source{Chart: "web", Version: "1.6.2"}, outcome{Chart: "web 1.6.2"}},
		"Newest":     {"no version means the newest that is no pre-release", helm.Source{Chart: "web"}, outcome{Chart: "web 2.1.0"}},
		"Constraint": {"a constraint means the newest that meets it", helm.Source{Chart: "web", Version: "1.x"}, outcome{Chart: "web 1.8.0"}},
		"Nearest":    {"what comes near is named", helm.Source{Chart: "web", Version: "1.7.5"}, outcome{Code: fault.InvalidRequest, Text: "2.0.0, 1.8.0, 1.7.0, 1.6.2, 1.6.1"}},
		"NoVersion":  {"a text is no version", helm.Source{Chart: "web", Version: "new est"}, outcome{Code: fault.InvalidRequest, Text: "neither a version"}},
		"NoChart":    {"the chart is named", helm.Source{Chart: "wob"}, outcome{Code: fault.InvalidRequest, Text: "has no chart wob"}},
		"NotFound":   {"the HTTP status is named", helm.Source{Chart: "web", Repository: server.URL + "/none"}, outcome{Code: fault.Failed, Text: "/none/index.yaml: HTTP status 404 Not Found"}},
		"Refused":    {"the repository is named", helm.Source{Chart: "web", Repository: refusing.URL}, outcome{Code: fault.Failed, Text: refusing.URL}},
		"NoIndex":    {"an index is YAML", helm.Source{Chart: "web", Repository: page.URL}, outcome{Code: fault.InvalidRequest, Text: "cannot be read"}},
		"Scheme":     {"files of the function are none of a caller's business", helm.Source{Chart: "web", Repository: "file:///etc"}, outcome{Code: fault.InvalidRequest}},
		"Digest":     {"an archive has the index's digest", helm.Source{Chart: "web", Repository: forged.URL}, outcome{Code: fault.InvalidRequest, Text: "digests differ"}},
		"Library":    {"a library chart cannot be installed", helm.Source{Chart: "library"}, outcome{Code: fault.InvalidRequest, Text: "type library"}},
		"Lacking":    {"charts that others depend on are there", helm.Source{Chart: "lacking"}, outcome{Code: fault.InvalidRequest, Text: "other"}},
		"Archive":    {"a chart may be the address of an archive", helm.Source{Chart: server.URL + "/charts/web-1.7.0.tgz", Repository: "-"}, outcome{Chart: "web 1.7.0"}},
		"Nothing":    {"the CDK's words", helm.Source{Repository: "-"}, outcome{Code: fault.InvalidRequest, Text: "chart or chartAsset must be specified"}},
		"Nowhere":    {"a bare name needs a repository", helm.Source{Chart: "web", Repository: "-"}, outcome{Code: fault.InvalidRequest, Text: "required"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			switch tc.source.Repository {
			case "":
				tc.source.Repository = server.URL
			case "-":
				tc.source.Repository = ""
			}
			check(t, tc.reason, helm.NewCharts(aws.Config{}, nil), tc.source, tc.want)
		})
	}
}

// A password before the host is sent, and no message has it.
func TestPasswordsOfRepositories(t *testing.T) {
	server := helmtest.Repository(t, helmtest.Web("1.0.0"))
	with := strings.Replace(server.URL, "://", "://user:planted@", 1)
	for name, source := range map[string]helm.Source{
		"NoChart":   {Chart: "wob", Repository: with},
		"NoVersion": {Chart: "web", Version: "9.0.0", Repository: with},
		"NotFound":  {Chart: "web", Repository: with + "/none"},
		"Archive":   {Chart: with + "/none.tgz"},
		"Registry":  {Chart: "web", Repository: "oci://user:planted@example.com/web", Version: "1.0.0"},
		"NoAddress": {Chart: "web", Repository: "https://user:planted%@example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := helm.NewCharts(aws.Config{}, nil).Load(t.Context(), source)
			if err == nil || strings.Contains(err.Error(), "planted") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestRepositoryComesBack(t *testing.T) {
	server := helmtest.Repository(t, helmtest.Web("1.0.0"))
	next, calls := server.Config.Handler, 0
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
	check(t, "a 503 is tried again", helm.NewCharts(aws.Config{}, nil), helm.Source{Chart: "web", Repository: server.URL}, outcome{Chart: "web 1.0.0"})
}

func TestAsset(t *testing.T) {
	web := helmtest.Web("1.0.0")
	web.Files[".helmignore"] = "ignored\n"
	zipped := func(names ...string) []byte {
		var buffer bytes.Buffer
		archive := zip.NewWriter(&buffer)
		for _, name := range names {
			if _, err := archive.Create(name); err != nil {
				t.Fatal(err)
			}
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
		return buffer.Bytes()
	}
	link := func() []byte {
		var buffer bytes.Buffer
		archive := zip.NewWriter(&buffer)
		header := &zip.FileHeader{Name: "Chart.yaml"}
		header.SetMode(os.ModeSymlink | 0o777)
		entry, err := archive.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = entry.Write([]byte("/etc/passwd"))
		_ = archive.Close()
		return buffer.Bytes()
	}
	objects := map[string][]byte{
		"/assets/web.zip":   web.Zip(t, ""),
		"/assets/below.zip": web.Zip(t, "web/"),
		"/assets/web.tgz":   web.Archive(t),
		"/assets/slip.zip":  zipped("Chart.yaml", "../../slip"),
		"/assets/root.zip":  zipped("/etc/slip"),
		"/assets/link.zip":  link(),
		"/assets/text.zip":  []byte("text"),
		"/assets/empty.zip": zipped("a.txt", "b.txt"),
		"/assets/large.zip": make([]byte, 20<<20+1),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := objects[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(server.Close)
	charts := helm.NewCharts(cloud(server.URL), nil)
	cases := map[string]struct {
		reason string
		key    string
		want   outcome
	}{
		"Zip":   {"the CDK's asset", "web.zip", outcome{Chart: "web 1.0.0"}},
		"Below": {"a chart one directory below the top", "below.zip", outcome{Chart: "web 1.0.0"}},
		"Tgz":   {"a chart's archive", "web.tgz", outcome{Chart: "web 1.0.0"}},
		"Slip":  {"an entry that leads out", "slip.zip", outcome{Code: fault.InvalidRequest, Text: "leads out"}},
		"Root":  {"an entry with an absolute path", "root.zip", outcome{Code: fault.InvalidRequest, Text: "leads out"}},
		"Link":  {"a symbolic link", "link.zip", outcome{Code: fault.InvalidRequest, Text: "neither a file nor a directory"}},
		"Text":  {"no archive at all", "text.zip", outcome{Code: fault.InvalidRequest, Text: "neither a zip file nor a .tgz"}},
		"Empty": {"no chart", "empty.zip", outcome{Code: fault.InvalidRequest, Text: "no Chart.yaml"}},
		"Large": {"reads are bounded", "large.zip", outcome{Code: fault.Failed, Text: "more than 20 MiB"}},
		"NoKey": {"the object is named", "none.zip", outcome{Code: fault.Failed, Text: "s3://assets/none.zip"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			check(t, tc.reason, charts, helm.Source{AssetURL: "s3://assets/" + tc.key}, tc.want)
		})
	}
	t.Run("Scheme", func(t *testing.T) {
		check(t, "an asset is in S3", charts, helm.Source{AssetURL: server.URL + "/assets/web.zip"}, outcome{Code: fault.InvalidRequest, Text: "s3://"})
	})
}

// cloud is a configuration whose services are all at an address.
func cloud(address string) aws.Config {
	return aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(address),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "SECRET"}, nil
		}),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// registry is an OCI registry with a chart that may ask for a password, and Amazon ECR's API.
type registry struct {
	mu       sync.Mutex
	archive  []byte
	password string
	requests []string
}

func (r *registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if target := request.Header.Get("X-Amz-Target"); target != "" {
		scope := strings.Split(request.Header.Get("Authorization"), "/")
		r.requests = append(r.requests, target+" "+scope[2])
		token := base64.StdEncoding.EncodeToString([]byte("AWS:" + r.password))
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if strings.HasPrefix(target, "Spencer") {
			_, _ = fmt.Fprintf(w, `{"authorizationData":{"authorizationToken":%q}}`, token)
			return
		}
		_, _ = fmt.Fprintf(w, `{"authorizationData":[{"authorizationToken":%q}]}`, token)
		return
	}
	if _, given, _ := request.BasicAuth(); r.password != "" && given != r.password {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	config, layer := describe("application/vnd.cncf.helm.config.v1+json", []byte("{}")), describe("application/vnd.cncf.helm.chart.content.v1.tar+gzip", r.archive)
	manifest := []byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}`, config, layer))
	image := []byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[]}`, config))
	serve := func(content []byte, kind string) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Docker-Content-Digest", fmt.Sprintf("sha256:%x", sha256.Sum256(content)))
		_, _ = w.Write(content)
	}
	const kind = "application/vnd.oci.image.manifest.v1+json"
	switch request.URL.Path {
	case "/v2/charts/web/tags/list":
		_, _ = fmt.Fprint(w, `{"name":"charts/web","tags":["1.0.0","1.1.0_build","0.9.0","v0.8.0","latest"]}`)
	case "/v2/charts/web/manifests/1.0.0", "/v2/charts/web/manifests/1.1.0_build", "/v2/charts/web/manifests/v0.8.0", fmt.Sprintf("/v2/charts/web/manifests/sha256:%x", sha256.Sum256(manifest)):
		serve(manifest, kind)
	case "/v2/charts/web/manifests/0.9.0":
		serve(image, kind)
	case fmt.Sprintf("/v2/charts/web/blobs/sha256:%x", sha256.Sum256(r.archive)):
		serve(r.archive, "application/octet-stream")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func describe(kind string, content []byte) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":"sha256:%x","size":%d}`, kind, sha256.Sum256(content), len(content))
}

// everywhere returns a client that finds every host at an address, and trusts it.
func everywhere(address string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the test's own server under others' names
	}}
}

func TestRegistry(t *testing.T) {
	const private = "oci://111111111111.dkr.ecr.eu-central-1.amazonaws.com/charts/web"
	web := helmtest.Web("1.0.0")
	digest := func(archive []byte) string {
		config, layer := describe("application/vnd.cncf.helm.config.v1+json", []byte("{}")), describe("application/vnd.cncf.helm.chart.content.v1.tar+gzip", archive)
		manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}`, config, layer)
		return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(manifest)))
	}(web.Archive(t))
	cases := map[string]struct {
		reason   string
		source   helm.Source
		password string
		want     outcome
		logins   []string
	}{
		"Plain":      {"anonymous", helm.Source{Repository: "oci://example.com/charts/web", Version: "1.0.0", Chart: "ignored"}, "", outcome{Chart: "web 1.0.0"}, nil},
		"AsChart":    {"the address may be the chart's", helm.Source{Chart: "oci://example.com/charts/web", Version: "1.0.0"}, "", outcome{Chart: "web 1.0.0"}, nil},
		"Newest":     {"no version means the newest; an underscore in a tag is a plus", helm.Source{Repository: "oci://example.com/charts/web"}, "", outcome{Chart: "web 1.0.0"}, nil},
		"Constraint": {"a constraint", helm.Source{Repository: "oci://example.com/charts/web", Version: "~1.0"}, "", outcome{Chart: "web 1.0.0"}, nil},
		"V":          {"cert-manager's versions begin with a v, and so do its tags", helm.Source{Repository: "oci://example.com/charts/web", Version: "v0.8.0"}, "", outcome{Chart: "web 1.0.0"}, nil},
		"VInTag":     {"a v more or less is the same version", helm.Source{Repository: "oci://example.com/charts/web", Version: "0.8.0"}, "", outcome{Chart: "web 1.0.0"}, nil},
		"VInVersion": {"as above", helm.Source{Repository: "oci://example.com/charts/web", Version: "v1.0.0"}, "", outcome{Chart: "web 1.0.0"}, nil},
		"VOfNone":    {"what comes near is named as the tag is", helm.Source{Repository: "oci://example.com/charts/web", Version: "v0.8.1"}, "", outcome{Code: fault.InvalidRequest, Text: "v0.8.0"}, nil},
		"VOfRange":   {"a constraint finds such tags", helm.Source{Repository: "oci://example.com/charts/web", Version: "<0.9"}, "", outcome{Chart: "web 1.0.0"}, nil},
		"Digest":     {"by digest", helm.Source{Repository: "oci://example.com/charts/web@" + digest}, "", outcome{Chart: "web 1.0.0"}, nil},
		"NoVersion":  {"what comes near is named", helm.Source{Repository: "oci://example.com/charts/web", Version: "1.2.0"}, "", outcome{Code: fault.InvalidRequest, Text: "1.1.0+build, 1.0.0, 0.9.0"}, nil},
		"NoChart":    {"the address is named", helm.Source{Repository: "oci://example.com/charts/wob", Version: "1.2.0"}, "", outcome{Code: fault.InvalidRequest, Text: "oci://example.com/charts/wob"}, nil},
		"Image":      {"an image is no chart", helm.Source{Repository: "oci://example.com/charts/web", Version: "0.9.0"}, "", outcome{Code: fault.InvalidRequest, Text: "not a Helm chart"}, nil},
		"Refused":    {"a password that nobody has", helm.Source{Repository: "oci://example.com/charts/web", Version: "1.0.0"}, "secret", outcome{Code: fault.AccessDenied, Text: "Only Amazon ECR"}, nil},
		"Private":    {"private ECR is logged in to in its own region", helm.Source{Repository: private, Version: "1.0.0"}, "secret", outcome{Chart: "web 1.0.0"}, []string{"AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken eu-central-1"}},
		"Public":     {"public ECR is logged in to in us-east-1", helm.Source{Repository: "oci://public.ecr.aws/charts/web", Version: "1.0.0"}, "secret", outcome{Chart: "web 1.0.0"}, []string{"SpencerFrontendService.GetAuthorizationToken us-east-1"}},
		"Phishing":   {"nobody else is sent ECR's password", helm.Source{Repository: "oci://111111111111.dkr.ecr.eu-central-1.amazonaws.com.example.com/charts/web", Version: "1.0.0"}, "secret", outcome{Code: fault.AccessDenied}, nil},
		"NoName":     {"a registry alone", helm.Source{Repository: "oci://example.com", Version: "1.0.0"}, "", outcome{Code: fault.InvalidRequest}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			fake := &registry{archive: web.Archive(t), password: tc.password}
			secure := httptest.NewTLSServer(fake)
			t.Cleanup(secure.Close)
			api := httptest.NewServer(fake)
			t.Cleanup(api.Close)
			charts := helm.NewCharts(cloud(api.URL), everywhere(secure.Listener.Addr().String()))
			check(t, tc.reason, charts, tc.source, tc.want)
			if diff := cmp.Diff(tc.logins, fake.requests); diff != "" {
				t.Errorf("logins (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLargeManifest(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		layer := `{"mediaType":"application/vnd.cncf.helm.chart.content.v1.tar+gzip","digest":"sha256:` + strings.Repeat("0", 64) + `","size":1000000000000}`
		manifest := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` + layer + `,"layers":[` + layer + `]}`)
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		_, _ = w.Write(manifest)
	}))
	t.Cleanup(server.Close)
	charts := helm.NewCharts(aws.Config{}, everywhere(server.Listener.Addr().String()))
	check(t, "nothing of the stated size is made room for", charts, helm.Source{Repository: "oci://example.com/charts/web", Version: "1.0.0"},
		outcome{Code: fault.InvalidRequest, Text: "more than 20 MiB"})
}
