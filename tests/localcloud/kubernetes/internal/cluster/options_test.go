package cluster_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"localcloud/kubernetes/internal/cluster"
)

func TestComplete(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)

	cases := map[string]struct {
		reason  string
		options cluster.Options
		want    cluster.Options
		fails   bool
	}{
		"Defaults": {
			reason:  "The folder alone is enough, and paths become absolute.",
			options: cluster.Options{Dir: "c", Nodes: 1},
			want: cluster.Options{
				Dir: filepath.Join(dir, "c"), AuditLog: filepath.Join(dir, "c", "audit.log"),
				Issuer: cluster.DefaultIssuer, Nodes: 1,
			},
		},
		"Given": {
			reason:  "What is given stays.",
			options: cluster.Options{Dir: "/c", EndpointPort: 6443, WebhookConfig: "w", AuditLog: "/a", Issuer: "https://issuer"},
			want: cluster.Options{
				Dir: "/c", EndpointPort: 6443, WebhookConfig: filepath.Join(dir, "w"), AuditLog: "/a", Issuer: "https://issuer",
			},
		},
		"NoFolder":  {reason: "There is no default folder.", fails: true},
		"NoPort":    {reason: "A port has 16 bits.", options: cluster.Options{Dir: "c", EndpointPort: 65536}, fails: true},
		"NoNumber":  {reason: "There are no negative nodes.", options: cluster.Options{Dir: "c", Nodes: -1}, fails: true},
		"TooMany":   {reason: "A node's number is the last byte of its address.", options: cluster.Options{Dir: "c", Nodes: 251}, fails: true},
		"ZeroNodes": {reason: "A cluster without nodes is what a new EKS cluster is.", options: cluster.Options{Dir: "/c", AuditLog: "/a", Issuer: "i"}, want: cluster.Options{Dir: "/c", AuditLog: "/a", Issuer: "i"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := tc.options.Complete()
			if (err != nil) != tc.fails {
				t.Fatalf("\n%s\nComplete: error %v, want one: %v", tc.reason, err, tc.fails)
			}
			if tc.fails {
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("\n%s\nComplete: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
