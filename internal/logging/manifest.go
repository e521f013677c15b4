package logging

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"text/template"

	"sigs.k8s.io/yaml"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

//go:embed manifests/fargate.yaml
var fargate string

//go:embed manifests/nodes.yaml
var nodes string

const (
	// image is the release of the aws-for-fluent-bit chart 0.2.0 (kubectl-protocol.md, section 4.6).
	image = "public.ecr.aws/aws-observability/aws-for-fluent-bit:3.2.1"
	// retentionDays is what Harmonix sets for its own Fargate configuration.
	retentionDays = 60
)

// values are what the manifests' templates may name.
type values struct {
	Region, Cluster, LogGroup, RoleARN, Image, Configuration string
	RetentionDays                                            int
	Bottlerocket                                             bool
}

// Manifests returns the objects that make s's pods log.
func Manifests(s environment.State) ([]client.Object, error) {
	v := values{
		Region:        s.Request.Region,
		Cluster:       s.Names.Cluster,
		LogGroup:      s.Names.LogGroup,
		Image:         image,
		RetentionDays: retentionDays,
		Bottlerocket:  s.Request.Bottlerocket(),
	}
	text := fargate
	if s.Request.NodeType == environment.NodeTypeManaged {
		text = nodes
		v.RoleARN = s.AddonRoles.FluentBitRoleARN
	}
	// The first rendering is what the configuration's hash is made of.
	rendered, err := render(text, v)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(rendered)
	v.Configuration = hex.EncodeToString(sum[:8])
	if rendered, err = render(text, v); err != nil {
		return nil, err
	}
	var objects []client.Object
	for document := range bytes.SplitSeq(rendered, []byte("\n---\n")) {
		var o client.Object
		if err := yaml.Unmarshal(document, &o); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "cannot read a log manifest")
		}
		objects = append(objects, o)
	}
	return objects, nil
}

func render(text string, v values) ([]byte, error) {
	t, err := template.New("manifest").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot read a log manifest")
	}
	var out bytes.Buffer
	if err := t.Execute(&out, v); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot render a log manifest")
	}
	return out.Bytes(), nil
}
