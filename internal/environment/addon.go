package environment

import "github.com/harmonix-eks/environment-provider/internal/finding"

// ChartSource says where the AWS Load Balancer Controller's chart comes from.
type ChartSource struct {
	// Repository is an https:// or oci:// address, or an s3:// one of a chart's zip.
	Repository string `json:"repository,omitempty"`
	Version    string `json:"version,omitempty"`
}

// Images are where the add-ons' images come from.
type Images struct {
	// LoadBalancerController is a repository, with a tag or without.
	LoadBalancerController string `json:"loadBalancerController,omitempty"`
	// FluentBit is an image with its tag.
	FluentBit string `json:"fluentBit,omitempty"`
}

// Logging is the section of the stage of that name: where the pods' logs go.
type Logging struct {
	Progress
	// LogGroup is the root of the applications' log groups; each namespace has one below it.
	LogGroup string `json:"logGroup"`
	// Objects lists what was created or updated, as "Kind namespace/name".
	Objects []string `json:"objects,omitempty"`
}

// ClusterDNS is the section of the stage of that name: CoreDNS runs on the capacity.
type ClusterDNS struct {
	Progress
}

// LoadBalancer is the section of the AWS Load Balancer Controller.
type LoadBalancer struct {
	Progress
	Repository string `json:"repository"`
	Version    string `json:"version"`
}

// Verification is the section of the Verify stage: what was looked at, and what was found.
type Verification struct {
	Progress
	// Nodes are at most [MaxListed], those first that are not ready.
	Nodes []NodeResult `json:"nodes"`
	// MoreNodes is how many there are besides.
	MoreNodes int       `json:"moreNodes,omitempty"`
	Findings  []Finding `json:"findings"`
}

// NodeResult is a node as the API server knows it.
type NodeResult struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Ready   bool   `json:"ready"`
}

// Finding is what a stage noticed that did not stop it.
type Finding = finding.Finding
