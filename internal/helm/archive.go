package helm

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// maxEntries bounds the files of a chart asset.
const maxEntries = 10000

// asset reads a chart asset: the CDK's, a zip file of the chart's directory, or a chart's archive.
func (c *Charts) asset(ctx context.Context, address, dir string) ([]*loader.BufferedFile, error) {
	const field = "ChartAssetURL"
	if !strings.HasPrefix(address, "s3://") {
		return nil, invalid(field, "is not an s3:// address")
	}
	content, err := c.files.Read(ctx, address, "the chart", pointer(field), archiveLimit)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(content, []byte{0x1f, 0x8b}) {
		return archived(content, field)
	}
	// By way of a directory, because only there does Helm honour .helmignore.
	if err := unzip(content, dir); err != nil {
		return nil, invalid(field, "the chart asset cannot be unpacked: %s", err)
	}
	root, err := chartRoot(dir)
	if err != nil {
		return nil, invalid(field, "%s", err)
	}
	loaded, err := loader.LoadDir(root)
	if err != nil {
		return nil, invalid(field, "the chart cannot be read: %s", oneLine(strings.ReplaceAll(err.Error(), root, "")))
	}
	files := make([]*loader.BufferedFile, 0, len(loaded.Raw))
	for _, file := range loaded.Raw {
		files = append(files, &loader.BufferedFile{Name: file.Name, Data: file.Data})
	}
	return files, nil
}

// unzip unpacks a zip file into a directory. An entry that leads out of it, or is neither a file nor
// a directory, is an error, as is more content than Helm would load.
func unzip(content []byte, dir string) error {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return errors.New("it is neither a zip file nor a .tgz")
	}
	if len(archive.File) > maxEntries {
		return fmt.Errorf("it has more than %d entries", maxEntries)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only a directory
	left := loader.MaxDecompressedChartSize
	for _, entry := range archive.File {
		name := path.Clean(entry.Name)
		switch mode := entry.Mode(); {
		case !filepath.IsLocal(name):
			return fmt.Errorf("entry %q leads out of it", entry.Name)
		case mode.IsDir():
			if err := root.MkdirAll(name, 0o700); err != nil {
				return err
			}
		case mode.IsRegular():
			written, err := extract(root, name, entry, left)
			if err != nil {
				return err
			}
			left -= written
		default:
			return fmt.Errorf("entry %q is neither a file nor a directory", entry.Name)
		}
	}
	return nil
}

// extract writes one file of at most limit bytes.
func extract(root *os.Root, name string, entry *zip.File, limit int64) (int64, error) {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return 0, err
	}
	from, err := entry.Open()
	if err != nil {
		return 0, err
	}
	defer from.Close() //nolint:errcheck // only read
	to, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	written, err := io.Copy(to, io.LimitReader(from, limit+1))
	if err = errors.Join(err, to.Close()); err != nil {
		return written, err
	}
	if written > limit {
		return written, fmt.Errorf("it unpacks to more than %d MiB", loader.MaxDecompressedChartSize>>20)
	}
	return written, nil
}

// chartRoot finds the chart's directory: dir itself, or the one directory in it.
func chartRoot(dir string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "Chart.yaml")); err == nil {
		return dir, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "read the unpacked chart")
	}
	if len(entries) == 1 && entries[0].IsDir() {
		below := filepath.Join(dir, entries[0].Name())
		if _, err := os.Stat(filepath.Join(below, "Chart.yaml")); err == nil {
			return below, nil
		}
	}
	return "", errors.New("the chart asset has no Chart.yaml at its top")
}
