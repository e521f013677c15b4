package helm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/repo"

	"github.com/harmonix-eks/environment-provider/internal/file"
)

// nearby is how many versions are named when the wanted one does not exist.
const nearby = 5

// download reads a chart from a chart repository.
func (c *Charts) download(ctx context.Context, source Source, dir string) ([]*loader.BufferedFile, error) {
	base := strings.TrimSuffix(source.Repository, "/")
	content, err := c.files.Read(ctx, base+"/index.yaml", "the index of the chart repository", pointer("Repository"), indexLimit)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "index.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return nil, err
	}
	index, err := repo.LoadIndexFile(path)
	if err != nil {
		text := strings.ReplaceAll(err.Error(), path, "it")
		return nil, invalid("Repository", "the index of the chart repository %s cannot be read: %s", file.Shown(source.Repository), oneLine(text))
	}
	found, err := pick(index, source)
	if err != nil {
		return nil, err
	}
	if len(found.URLs) == 0 {
		return nil, invalid("Version", "the chart repository %s has no archive of chart %s %s", file.Shown(source.Repository), source.Chart, found.Version)
	}
	address, err := repo.ResolveReferenceURL(base, found.URLs[0])
	if err != nil {
		return nil, invalid("Repository", "the chart repository %s has a wrong address for chart %s %s", file.Shown(source.Repository), source.Chart, found.Version)
	}
	if strings.HasPrefix(address, "oci://") {
		return c.pull(ctx, address, found.Version, "Repository")
	}
	archive, err := c.files.Read(ctx, address, "chart "+source.Chart+" "+found.Version, pointer("Repository"), archiveLimit)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(archive); found.Digest != "" && strings.TrimPrefix(found.Digest, "sha256:") != hex.EncodeToString(sum[:]) {
		return nil, invalid("Repository", "the archive of chart %s %s is not the one that the index of %s names: their digests differ", source.Chart, found.Version, file.Shown(source.Repository))
	}
	return archived(archive, "Chart")
}

// pick finds the wanted version of a chart in an index.
func pick(index *repo.IndexFile, source Source) (*repo.ChartVersion, error) {
	found, err := index.Get(source.Chart, source.Version)
	if err == nil {
		return found, nil
	}
	if errors.Is(err, repo.ErrNoChartName) {
		return nil, invalid("Chart", "the chart repository %s has no chart %s", file.Shown(source.Repository), source.Chart)
	}
	var versions []string
	for _, version := range index.Entries[source.Chart] {
		versions = append(versions, version.Version)
	}
	return nil, noVersion(source.Chart, source.Version, file.Shown(source.Repository), versions)
}

// noVersion says that a version does not exist, and which ones come near.
func noVersion(chart, wanted, where string, versions []string) error {
	if _, err := semver.NewConstraint(wanted); wanted != "" && err != nil {
		return invalid("Version", "%q is neither a version nor a constraint on one", wanted)
	}
	if wanted == "" {
		wanted = "that is no pre-release"
	}
	f := invalid("Version", "%s has no version %s of chart %s", where, wanted, chart)
	if names := nearest(wanted, versions); len(names) > 0 {
		return f.WithNext("Ask for one that is there, and start again; nearest are: %s.", strings.Join(names, ", "))
	}
	return f.WithNext("There is no version of it at all.")
}

// nearest returns the versions about the wanted one, newest first; the newest when that is no version.
func nearest(wanted string, versions []string) []string {
	var known []*semver.Version
	for _, text := range versions {
		if version, err := semver.NewVersion(text); err == nil {
			known = append(known, version)
		}
	}
	slices.SortFunc(known, func(a, b *semver.Version) int { return b.Compare(a) })
	from := 0
	if version, err := semver.NewVersion(wanted); err == nil {
		at, _ := slices.BinarySearchFunc(known, version, func(a, b *semver.Version) int { return b.Compare(a) })
		from = max(0, min(at-nearby/2, len(known)-nearby))
	}
	var names []string
	for _, version := range known[from:min(from+nearby, len(known))] {
		names = append(names, version.Original())
	}
	return names
}
