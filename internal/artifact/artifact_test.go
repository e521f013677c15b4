package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

var _ objects = (*s3.Client)(nil)

// bucketOf keeps objects by key.
type bucketOf struct {
	objects  map[string]string
	headErr  error
	putErr   error
	mutated  int
	absentAs error
}

func (b *bucketOf) HeadObject(_ context.Context, in *s3.HeadObjectInput, _ ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	if b.headErr != nil {
		return nil, b.headErr
	}
	if _, ok := b.objects[aws.ToString(in.Key)]; !ok {
		return nil, b.absentAs
	}
	return &s3.HeadObjectOutput{}, nil
}

func (b *bucketOf) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	b.mutated++
	if b.putErr != nil {
		return nil, b.putErr
	}
	text, err := io.ReadAll(in.Body)
	b.objects[aws.ToString(in.Key)] = string(text)
	return &s3.PutObjectOutput{}, err
}

func TestPut(t *testing.T) {
	const zip = "the code of the function"
	sum := sha256.Sum256([]byte(zip))
	digest, key := base64.StdEncoding.EncodeToString(sum[:]), "kubectl-function/"+hex.EncodeToString(sum[:])+".zip"
	bare := func(status int, code string) error {
		return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: &smithy.GenericAPIError{Code: code}}
	}
	cases := map[string]struct {
		reason  string
		bucket  bucketOf
		status  int
		body    string
		code    fault.Code
		mutated int
		loads   int
	}{
		"New":        {reason: "copied", bucket: bucketOf{absentAs: bare(404, "NotFound")}, body: zip, mutated: 1, loads: 1},
		"NewByType":  {reason: "the SDK's own type for no object", bucket: bucketOf{absentAs: &types.NotFound{}}, body: zip, mutated: 1, loads: 1},
		"There":      {reason: "equal code is neither read nor written", bucket: bucketOf{objects: map[string]string{key: zip}}},
		"HeadDenied": {reason: "the SDK names a HEAD without body by its status; it says nothing of the object", bucket: bucketOf{headErr: bare(403, "Forbidden")}, code: "AccessDenied"},
		"Expired":    {reason: "the link lived ten minutes; the retry asks for another", bucket: bucketOf{absentAs: bare(404, "NotFound")}, status: 403, code: "Transient", loads: 1},
		"Torn":       {reason: "what is not what Lambda holds is not stored", bucket: bucketOf{absentAs: bare(404, "NotFound")}, body: zip[:5], code: "Transient", loads: 1},
		"NotWritten": {reason: "the error keeps its class", bucket: bucketOf{absentAs: bare(404, "NotFound"), putErr: &smithy.GenericAPIError{Code: "SlowDown"}}, body: zip, code: "Throttled", mutated: 1, loads: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			loads := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				loads++
				if tc.status != 0 {
					w.WriteHeader(tc.status)
				}
				_, _ = io.WriteString(w, tc.body)
			}))
			defer server.Close()
			if tc.bucket.objects == nil {
				tc.bucket.objects = map[string]string{}
			}
			got, err := In(&tc.bucket, "bucket").Put(t.Context(), "kubectl-function", digest, server.URL+"/?X-Amz-Signature=secret")
			if code := fault.CodeOf(err); code != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if tc.bucket.mutated != tc.mutated || loads != tc.loads {
				t.Errorf("%s: %d writes and %d downloads, want %d and %d", tc.reason, tc.bucket.mutated, loads, tc.mutated, tc.loads)
			}
			if err != nil {
				return
			}
			if got != key || tc.bucket.objects[key] != zip {
				t.Errorf("%s: key %q holds %q", tc.reason, got, tc.bucket.objects[got])
			}
		})
	}
}

// The link is signed: whoever reads it can read the code until it expires.
func TestLinkIsNotShown(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, location := range map[string]string{
		"NoServer": closed.URL + "/?X-Amz-Signature=secret",
		"NoLink":   "http://%zz/?X-Amz-Signature=secret",
		"NoScheme": "nothing://host/?X-Amz-Signature=secret",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := In(&bucketOf{absentAs: &types.NotFound{}}, "b").Put(t.Context(), "kubectl-layer", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", location)
			if fault.CodeOf(err) != "Transient" || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestKey(t *testing.T) {
	cases := map[string]struct {
		reason, digest, want string
		code                 fault.Code
	}{
		// The SHA-256 of nothing, as Lambda and as sha256sum write it.
		"Digest":  {reason: "named by content", digest: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", want: "kubectl-layer/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.zip"},
		"Empty":   {reason: "no digest is no name", code: "Internal"},
		"NoBase":  {reason: "not base64", digest: "??", code: "Internal"},
		"Escapes": {reason: "a digest never leaves the folder", digest: "../x", code: "Internal"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Key("kubectl-layer", tc.digest)
			if code := fault.CodeOf(err); code != tc.code || got != tc.want {
				t.Errorf("%s: got %q, %q (%v)", tc.reason, got, code, err)
			}
		})
	}
}
