package helm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/file"
)

const (
	// indexLimit bounds a repository's index. The largest public ones have about 25 MB.
	indexLimit = 32 << 20
	// archiveLimit bounds a chart's archive. Helm itself bounds what comes out of it.
	archiveLimit = 20 << 20

	// firstPause is the first one between two attempts at an action.
	firstPause = 500 * time.Millisecond
)

// Source says where a chart is.
type Source struct {
	// Chart is its name in Repository, or the address of its archive.
	Chart string
	// Repository is the address of a chart repository (https:// or s3://), or of a chart in an OCI
	// registry (oci://), where Chart means nothing.
	Repository string
	// Version is a version or a constraint such as 3.x; the newest that is no pre-release when empty.
	Version string
	// AssetURL is the s3:// address of the chart as a zip file or a .tgz. It excludes the others.
	AssetURL string
}

// Chart is a chart that was read.
type Chart struct {
	// Name and Version are what the chart says of itself.
	Name, Version string
	files         []*loader.BufferedFile
	digest        string
}

// Charts reads charts, with the credentials of its configuration where these are needed.
type Charts struct {
	config aws.Config
	http   *http.Client
	files  *file.Reader
}

// NewCharts returns a reader. An HTTP client of nil stands for a usual one.
func NewCharts(config aws.Config, client *http.Client) *Charts {
	if client == nil {
		client = file.NewHTTP()
	}
	return &Charts{config: config, http: client, files: file.NewReader(config, client)}
}

// Load reads a chart. What it needs on disk is in a directory of its own, and gone when it returns.
func (c *Charts) Load(ctx context.Context, source Source) (*Chart, error) {
	dir, err := os.MkdirTemp("", "chart-")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "make a temporary directory")
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what cannot be removed cannot be helped
	files, field, err := c.read(ctx, source, dir)
	if err != nil {
		return nil, err
	}
	made := &Chart{files: files, digest: digest(files)}
	content, err := made.load()
	if err != nil {
		return nil, invalid(field, "the chart cannot be read: %s", oneLine(err.Error()))
	}
	made.Name, made.Version = content.Metadata.Name, content.Metadata.Version
	return made, usable(content, field)
}

// read reads a chart's files, and names the property that says where they are.
func (c *Charts) read(ctx context.Context, source Source, dir string) ([]*loader.BufferedFile, string, error) {
	switch {
	case source.AssetURL != "":
		files, err := c.asset(ctx, source.AssetURL, dir)
		return files, "ChartAssetURL", err
	case strings.HasPrefix(source.Repository, "oci://"):
		files, err := c.pull(ctx, source.Repository, source.Version, "Repository")
		return files, "Repository", err
	case strings.HasPrefix(source.Chart, "oci://"):
		files, err := c.pull(ctx, source.Chart, source.Version, "Chart")
		return files, "Chart", err
	case source.Chart == "":
		// The text is that of the CDK's handler.
		return nil, "Chart", invalid("Chart", "chart or chartAsset must be specified")
	case source.Repository != "":
		files, err := c.download(ctx, source, dir)
		return files, "Chart", err
	case strings.Contains(source.Chart, "://"):
		content, err := c.files.Read(ctx, source.Chart, "the chart", pointer("Chart"), archiveLimit)
		if err != nil {
			return nil, "Chart", err
		}
		files, err := archived(content, "Chart")
		return files, "Chart", err
	}
	return nil, "Chart", invalid("Repository", "is required to find chart %s", source.Chart)
}

// load makes the chart anew: Helm's actions write into the one they are given.
func (c *Chart) load() (*chart.Chart, error) {
	content, err := loader.LoadFiles(c.files)
	if err != nil {
		return nil, err
	}
	return content, content.Validate()
}

// usable returns an error for a chart that cannot be installed.
func usable(content *chart.Chart, field string) error {
	if kind := content.Metadata.Type; kind != "" && kind != "application" {
		return invalid(field, "chart %s is of the type %s, which cannot be installed", content.Name(), kind)
	}
	if err := action.CheckDependencies(content, content.Metadata.Dependencies); err != nil {
		return invalid(field, "chart %s lacks charts that it depends on: %s", content.Name(), err)
	}
	return nil
}

// archived reads the files of a .tgz.
func archived(content []byte, field string) ([]*loader.BufferedFile, error) {
	files, err := loader.LoadArchiveFiles(bytes.NewReader(content))
	if err != nil {
		return nil, invalid(field, "the chart's archive cannot be read: %s", oneLine(err.Error()))
	}
	return files, nil
}

// digest identifies a chart's content, whatever its archive is like. It is short enough for a label.
func digest(files []*loader.BufferedFile) string {
	sorted := slices.Clone(files)
	slices.SortFunc(sorted, func(a, b *loader.BufferedFile) int { return strings.Compare(a.Name, b.Name) })
	sum := sha256.New()
	for _, file := range sorted {
		for _, part := range [][]byte{[]byte(file.Name), file.Data} {
			_ = binary.Write(sum, binary.BigEndian, uint64(len(part))) //nolint:errcheck // a hash does not fail
			sum.Write(part)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:40]
}
