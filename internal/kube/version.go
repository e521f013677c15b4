package kube

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// ServerVersion returns the version of the API server, such as v1.36.3-eks-1a2b3c4. It is empty when
// the identity may not ask for it, which says nothing about what else it may.
func (c *Client) ServerVersion(ctx context.Context) (string, error) {
	discoverer, err := discovery.NewDiscoveryClientForConfigAndClient(c.config, c.options.HTTP)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "make a discovery client for %s", c.config.Host)
	}
	var version string
	err = c.Do(ctx, "reach the API server", func(ctx context.Context) error {
		found, err := discoverer.ServerVersionWithContext(ctx)
		if err == nil {
			version = found.GitVersion
		}
		return err
	})
	if apierrors.IsForbidden(err) {
		return "", nil
	}
	return version, err
}
