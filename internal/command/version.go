package command

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
)

// Versions are those of both sides.
type Versions struct {
	// Kubectl is the one that answered.
	Kubectl string
	// Server is the cluster's; empty when the role may not ask for it.
	Server string
}

// maxSkew is how many minor versions kubectl and API server may differ by.
// https://kubernetes.io/releases/version-skew-policy/#kubectl
const maxSkew = 1

// clientVersion reads the version out of what kubectl says of itself.
func clientVersion(said []byte) (string, error) {
	var answer struct{ ClientVersion struct{ GitVersion string } }
	if err := json.Unmarshal(said, &answer); err != nil {
		return "", err
	}
	return answer.ClientVersion.GitVersion, nil
}

var minorVersion = regexp.MustCompile(`^v?1\.(\d+)(\.|$)`)

// minorOf returns the minor version in a text such as v1.36.3 or 1.36.
func minorOf(version string) (int, bool) {
	found := minorVersion.FindStringSubmatch(version)
	if found == nil {
		return 0, false
	}
	minor, err := strconv.Atoi(found[1])
	return minor, err == nil
}

// warnings says what of the versions may make an answer wrong.
func (v Versions) warnings() []string {
	kubectl, ok := minorOf(v.Kubectl)
	server, known := minorOf(v.Server)
	if !ok || !known || max(kubectl-server, server-kubectl) <= maxSkew {
		return nil
	}
	return []string{fmt.Sprintf("kubectl %s and the cluster's %s are %d minor versions apart, and Kubernetes supports %d: apply the environment's request again, which brings the layer of the cluster's version",
		v.Kubectl, v.Server, max(kubectl-server, server-kubectl), maxSkew)}
}
