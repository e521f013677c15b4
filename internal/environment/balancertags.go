package environment

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// yamlEnds is where a plain scalar of YAML ends and becomes a key.
var yamlEnds = regexp.MustCompile(`:(\p{Z}|$)`)

// BalancerTags are those of the request's tags that the AWS Load Balancer Controller can give to what it
// makes, and the keys of those that it cannot. It takes them as key=value with commas between, and makes its
// own under k8s.aws. Its chart writes them into the Deployment without quotes, where a colon before a space
// makes a map of the argument, which Kubernetes refuses (https://github.com/aws/eks-charts/issues/1301).
func (r Request) BalancerTags() (tags map[string]string, without []string) {
	tags = maps.Clone(r.Tags)
	maps.DeleteFunc(tags, func(key, value string) bool {
		return strings.ContainsAny(key, "=,") || strings.Contains(key, "k8s.aws/") || yamlEnds.MatchString(key+"="+value)
	})
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		if _, ok := tags[key]; !ok {
			without = append(without, key)
		}
	}
	return tags, without
}
