package file_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/file"
)

const field = "/ResourceProperties/ManifestURL"

// newReader returns a reader before an S3 that has one object in two versions.
func newReader(t *testing.T, asked *[]string) *file.Reader {
	t.Helper()
	s3 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Method+" "+r.Host+r.URL.Path)
		switch {
		case strings.HasSuffix(r.URL.Path, "/gone"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>")
		case !strings.HasSuffix(r.URL.Path, "/dir/a.json"):
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
		case r.URL.Query().Get("versionId") == "v1":
			_, _ = io.WriteString(w, "old")
		default:
			_, _ = io.WriteString(w, "newest")
		}
	}))
	t.Cleanup(s3.Close)
	config := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("A", "s", ""), BaseEndpoint: aws.String(s3.URL)}
	return file.NewReader(config, nil)
}

func TestRead(t *testing.T) {
	cases := map[string]struct {
		reason  string
		address string
		limit   int64
		want    string
		code    fault.Code
		message string
		absent  bool
	}{
		"Newest":  {"the object as it is", "s3://bucket/dir/a.json", 100, "newest", "", "", false},
		"Version": {"a version of it", "s3://bucket/dir/a.json?versionId=v1", 100, "old", "", "", false},
		"Large":   {"reads are bounded", "s3://bucket/dir/a.json", 3, "", fault.Failed, "more than", false},
		"Denied":  {"the address and the right are named", "s3://bucket/other", 100, "", fault.AccessDenied, "s3://bucket/other", true},
		"Gone":    {"there is none any more", "s3://bucket/gone", 100, "", fault.Failed, "s3://bucket/gone", true},
		"Scheme":  {"files of the function are none of a caller's business", "file:///etc/passwd", 100, "", fault.InvalidRequest, "not at an address", false},
		"Text":    {"a text is no address", "bucket/key", 100, "", fault.InvalidRequest, "not at an address", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var asked []string
			got, err := newReader(t, &asked).Read(t.Context(), tc.address, "the manifest", field, tc.limit)
			if diff := cmp.Diff(tc.want, string(got)); diff != "" || fault.CodeOf(err) != tc.code {
				t.Fatalf("%s: %v (-want +got):\n%s", tc.reason, err, diff)
			}
			if file.Absent(err) != tc.absent {
				t.Errorf("%s: counts as absent: %t", tc.reason, !tc.absent)
			}
			if err != nil && (!strings.Contains(err.Error(), tc.message) || fault.As(err).Field != field) {
				t.Errorf("%s: %v at %s", tc.reason, err, fault.As(err).Field)
			}
		})
	}
}
