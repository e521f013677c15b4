// Package artifact puts the code of functions and layers into the artifact bucket of a target account
// and region, where Lambda wants it to lie. An artifact is named by its content, so that equal code is
// no change to CloudFormation (aws-traps.md, row 4.2). It must not know what the code is for.
package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// maxArtifact bounds what is read into memory: the layer is about 20 MB.
const maxArtifact = 128 << 20

type objects interface {
	HeadObject(ctx context.Context, in *s3.HeadObjectInput, opts ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	PutObject(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// Bucket is the target's artifact bucket.
type Bucket struct {
	api  objects
	name string
}

// In returns the bucket of that name.
func In(api objects, name string) Bucket { return Bucket{api: api, name: name} }

// Put stores the zip of the given SHA-256 (base64) unless it is there, and returns its key. The
// location is a link that lives for ten minutes, so it is read at once (aws-traps.md, row 4.1).
func (b Bucket) Put(ctx context.Context, kind, digest, location string) (string, error) {
	key, err := Key(kind, digest)
	if err != nil {
		return "", err
	}
	_, err = b.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	if err == nil {
		return key, nil
	}
	if !awsfault.Gone(err) {
		return "", account.Classify(err, "look for s3://%s/%s", b.name, key)
	}
	zip, err := download(ctx, location)
	if err != nil {
		return "", fault.Wrap(fault.Transient, err, "cannot download the %s", kind)
	}
	if sum := sha256.Sum256(zip); base64.StdEncoding.EncodeToString(sum[:]) != digest {
		return "", fault.New(fault.Transient, "the download of the %s is not what Lambda says it holds", kind)
	}
	if _, err := b.api.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: bytes.NewReader(zip)}); err != nil {
		return "", account.Classify(err, "store s3://%s/%s", b.name, key)
	}
	return key, nil
}

// Key is the key of the artifact with that SHA-256, as Lambda gives it: base64.
func Key(kind, digest string) (string, error) {
	sum, err := base64.StdEncoding.DecodeString(digest)
	if err != nil || len(sum) == 0 {
		return "", fault.New(fault.Internal, "Lambda gave %q as the SHA-256 of the %s", digest, kind)
	}
	return fmt.Sprintf("%s/%s.zip", kind, hex.EncodeToString(sum)), nil
}

// KeyOnly stands in for [Bucket.Put] in a plan: it says where the artifact would lie.
func KeyOnly(_ context.Context, kind, digest, _ string) (string, error) { return Key(kind, digest) }

func download(ctx context.Context, location string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, errors.New("no usable link") // the link itself is a secret
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read the link: %w", errors.Unwrap(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the link answers %s", response.Status)
	}
	zip, err := io.ReadAll(io.LimitReader(response.Body, maxArtifact+1))
	if err != nil {
		return nil, fmt.Errorf("read the zip: %w", err)
	}
	if len(zip) > maxArtifact {
		return nil, fmt.Errorf("the zip is larger than %d bytes", maxArtifact)
	}
	return zip, nil
}
