package helm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"helm.sh/helm/v3/pkg/chart/loader"
	helmregistry "helm.sh/helm/v3/pkg/registry"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/file"
)

const (
	publicRegistry = "public.ecr.aws"
	// publicRegion is the only one with the API of public Amazon ECR.
	// https://docs.aws.amazon.com/AmazonECR/latest/public/public-registry-auth.html
	publicRegion = "us-east-1"
	// publicPatience bounds the attempt to log in where everything can be read anonymously.
	publicPatience = 5 * time.Second
	// manifestLimit is what the OCI distribution specification asks of every registry.
	manifestLimit = 4 << 20
)

// errNoChart says that a reference exists and is something else, such as a container image.
var errNoChart = errors.New("it is not a Helm chart")

// privateRegistry is the host of a private Amazon ECR registry. The suffixes are those of AWS'
// partitions: whoever has another must not be sent a password.
var privateRegistry = regexp.MustCompile(`^[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.` +
	`(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)$`)

// pull reads a chart from an OCI registry.
func (c *Charts) pull(ctx context.Context, address, version, field string) ([]*loader.BufferedFile, error) {
	named, err := registry.ParseReference(strings.TrimSuffix(strings.TrimPrefix(address, "oci://"), "/"))
	if err != nil {
		return nil, invalid(field, "%s does not name a chart in a registry", file.Shown(address))
	}
	repository, err := c.repository(ctx, named)
	if err != nil {
		return nil, err
	}
	name, pinned := path.Base(named.Repository), named.Reference != ""
	if !pinned {
		if named.Reference, err = tagFor(ctx, repository, name, version, address, field); err != nil {
			return nil, err
		}
	}
	archive, err := layer(ctx, repository, named.Reference)
	if errors.Is(err, errdef.ErrNotFound) && !pinned {
		if versions, listErr := tags(ctx, repository); listErr == nil {
			other := slices.IndexFunc(versions, func(tag string) bool { return bare(tag) == bare(version) })
			if other < 0 {
				return nil, noVersion(name, version, file.Shown(address), versions)
			}
			archive, err = layer(ctx, repository, tagOf(versions[other]))
		}
	}
	if err != nil {
		return nil, pullFault(err, address, field)
	}
	return archived(archive, field)
}

// repository returns a client for a repository, logged in where that is Amazon ECR's.
func (c *Charts) repository(ctx context.Context, named registry.Reference) (*remote.Repository, error) {
	token, err := c.login(ctx, named.Registry)
	if err != nil {
		return nil, err
	}
	client := *c.http
	client.Transport = retry.NewTransport(transportOf(c.http))
	authorized := &auth.Client{Client: &client, Cache: auth.NewCache()}
	if user, password, ok := strings.Cut(token, ":"); ok {
		authorized.Credential = auth.StaticCredential(named.Registry, auth.Credential{Username: user, Password: password})
	}
	return &remote.Repository{Client: authorized, Reference: named}, nil
}

// transportOf returns what an HTTP client sends its requests by.
func transportOf(client *http.Client) http.RoundTripper {
	if client.Transport != nil {
		return client.Transport
	}
	return http.DefaultTransport
}

// tagFor finds the tag of a version: the version itself, or the newest that meets a constraint.
func tagFor(ctx context.Context, repository *remote.Repository, name, version, address, field string) (string, error) {
	if _, err := semver.StrictNewVersion(bare(version)); err == nil {
		return tagOf(version), nil
	}
	versions, err := tags(ctx, repository)
	if err != nil {
		return "", pullFault(err, address, field)
	}
	tag, err := helmregistry.GetTagMatchingVersionOrConstraint(versions, version)
	if err != nil {
		return "", noVersion(name, version, file.Shown(address), versions)
	}
	return tagOf(tag), nil
}

// bare is a version without the v that some charts, such as cert-manager's, have before it.
func bare(version string) string { return strings.TrimPrefix(version, "v") }

// tagOf is a version's tag. It must not contain the plus sign that a version may; Helm writes an underscore.
// https://helm.sh/docs/topics/registries/
func tagOf(version string) string { return strings.ReplaceAll(version, "+", "_") }

// tags returns the versions that a repository has, newest first.
func tags(ctx context.Context, repository *remote.Repository) ([]string, error) {
	var versions []*semver.Version
	err := repository.Tags(ctx, "", func(page []string) error {
		for _, tag := range page {
			text := strings.ReplaceAll(tag, "_", "+")
			if _, err := semver.StrictNewVersion(bare(text)); err != nil {
				continue
			}
			if version, err := semver.NewVersion(text); err == nil {
				versions = append(versions, version)
			}
		}
		return nil
	})
	slices.SortFunc(versions, func(a, b *semver.Version) int { return b.Compare(a) })
	names := make([]string, 0, len(versions))
	for _, version := range versions {
		names = append(names, version.Original())
	}
	return names, err
}

// layer reads the chart's archive by its tag or digest. Sizes are looked at before anything of that
// size is read.
func layer(ctx context.Context, repository *remote.Repository, reference string) ([]byte, error) {
	described, reader, err := repository.FetchReference(ctx, reference)
	if err != nil {
		return nil, err
	}
	defer reader.Close() //nolint:errcheck // only read
	if described.Size > manifestLimit {
		return nil, &file.SizeError{Limit: manifestLimit}
	}
	text, err := content.ReadAll(reader, described)
	if err != nil {
		return nil, err
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, errors.New("its manifest is not JSON")
	}
	for _, part := range manifest.Layers {
		if part.MediaType != helmregistry.ChartLayerMediaType && part.MediaType != helmregistry.LegacyChartLayerMediaType {
			continue
		}
		if part.Size > archiveLimit {
			return nil, &file.SizeError{Limit: archiveLimit}
		}
		return content.FetchAll(ctx, repository, part)
	}
	return nil, errNoChart
}

// login returns user:password for Amazon ECR, and nothing for other hosts.
func (c *Charts) login(ctx context.Context, host string) (string, error) {
	var token *string
	if private := privateRegistry.FindStringSubmatch(host); private != nil {
		client := ecr.NewFromConfig(c.config, func(o *ecr.Options) { o.Region = private[1] })
		out, err := client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
		if err != nil {
			return "", loginFault(err, host)
		}
		if len(out.AuthorizationData) > 0 {
			token = out.AuthorizationData[0].AuthorizationToken
		}
	}
	if host == publicRegistry && commercial(c.config.Region) {
		ctx, cancel := context.WithTimeout(ctx, publicPatience)
		defer cancel()
		client := ecrpublic.NewFromConfig(c.config, func(o *ecrpublic.Options) { o.Region = publicRegion })
		out, err := client.GetAuthorizationToken(ctx, &ecrpublic.GetAuthorizationTokenInput{})
		// A login only raises the rate limit here, so one that fails is done without.
		if err == nil && out.AuthorizationData != nil {
			token = out.AuthorizationData.AuthorizationToken
		}
	}
	plain, err := base64.StdEncoding.DecodeString(aws.ToString(token))
	if err != nil {
		return "", fault.New(fault.Failed, "log in to %s: the token cannot be read", host)
	}
	return string(plain), nil
}

// loginFault classifies an error of logging in to Amazon ECR.
func loginFault(err error, host string) error {
	f := fault.Wrap(fault.Failed, err, "log in to %s", host).WithNext(file.EgressHint)
	if strings.Contains(err.Error(), "AccessDenied") {
		f.Code = fault.AccessDenied
		f.WithNext("Give the function's own role ecr:GetAuthorizationToken, and reading from the repository.")
	}
	return f
}

// commercial reports whether a region is of the partition aws, the only one with public Amazon ECR.
func commercial(region string) bool {
	for _, prefix := range []string{"cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"} {
		if strings.HasPrefix(region, prefix) {
			return false
		}
	}
	return true
}

// pullFault classifies an error of a registry.
func pullFault(err error, address, field string) error {
	code, next := fault.Failed, file.EgressHint
	var answer *errcode.ErrorResponse
	var large *file.SizeError
	switch {
	case errors.Is(err, errNoChart), errors.As(err, &large):
		code, next = fault.InvalidRequest, ""
	case errors.Is(err, errdef.ErrNotFound):
		code, next = fault.InvalidRequest, "Check the address and the version."
	case errors.Is(err, auth.ErrBasicCredentialNotFound),
		errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		code, next = fault.AccessDenied, "Only Amazon ECR is logged in to, by the function's own role; other registries have to be public."
	case answer == nil:
	case answer.StatusCode == http.StatusNotFound:
		code, next = fault.InvalidRequest, "Check the address and the version."
	case answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests:
		code, next = fault.Transient, ""
	default:
		next = ""
	}
	f := fault.Wrap(code, errors.New(oneLine(err.Error())), "pull the chart from %s", file.Shown(address)).WithField(pointer(field))
	f.Next = next
	return f
}
