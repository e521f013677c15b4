package logging

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"strconv"
	"strings"

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

// Manifests returns the objects that make s's pods log.
func Manifests(s environment.State) ([]client.Object, error) {
	text, role := fargate, ""
	if s.Request.NodeType == environment.NodeTypeManaged {
		text, role = nodes, s.AddonRoles.FluentBitRoleARN
	}
	// What stands for a value in the manifests. A template engine would do the same, and add more
	// than a megabyte to the function.
	text = strings.NewReplacer(
		"{{ .Region }}", s.Request.Region,
		"{{ .Cluster }}", s.Names.Cluster,
		"{{ .LogGroup }}", s.Names.LogGroup,
		"{{ .RoleARN }}", role,
		"{{ .Image }}", cmp.Or(s.Request.Images.FluentBit, image),
		"{{ .RetentionDays }}", strconv.Itoa(retentionDays),
	).Replace(text)
	sum := sha256.Sum256([]byte(text))
	text = strings.ReplaceAll(text, "{{ .Configuration }}", hex.EncodeToString(sum[:8]))

	var objects []client.Object
	for document := range strings.SplitSeq(text, "\n---\n") {
		var o client.Object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "cannot read a log manifest")
		}
		if o["kind"] == "DaemonSet" && s.Request.Bottlerocket() {
			allowHostFiles(o)
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// allowHostFiles lets the DaemonSet's containers read the host's logs on Bottlerocket, which keeps
// ordinary containers from the host's files by SELinux.
func allowHostFiles(daemonSet client.Object) {
	options := map[string]any{"user": "system_u", "role": "system_r", "type": "super_t", "level": "s0"}
	spec, _ := daemonSet["spec"].(map[string]any)
	template, _ := spec["template"].(map[string]any)
	pod, _ := template["spec"].(map[string]any)
	containers, _ := pod["containers"].([]any)
	for _, c := range containers {
		if container, ok := c.(map[string]any); ok {
			container["securityContext"] = map[string]any{"seLinuxOptions": options}
		}
	}
}
