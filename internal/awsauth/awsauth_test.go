package awsauth_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/awsauth"
)

func TestMerge(t *testing.T) {
	admin := awsauth.Role{ARN: "arn:aws:iam::222222222222:role/admin", Username: "arn:aws:iam::222222222222:role/admin"}
	node := awsauth.Role{ARN: "arn:aws:iam::222222222222:role/node", Username: "system:node:{{SessionName}}", Groups: []string{"system:nodes"}}

	cases := map[string]struct {
		reason   string
		existing string
		wanted   []awsauth.Role
		merged   string
		changed  bool
	}{
		"Empty": {
			reason:  "a ConfigMap that does not exist yet gets a non-empty JSON array",
			wanted:  []awsauth.Role{admin},
			merged:  `[{"groups":[],"rolearn":"arn:aws:iam::222222222222:role/admin","username":"arn:aws:iam::222222222222:role/admin"}]`,
			changed: true,
		},
		"KeepsForeignEntry": {
			reason:   "an entry an application pipeline appended, and a field we do not know, survive",
			existing: `[{"rolearn":"arn:aws:iam::222222222222:role/app","username":"app","groups":[],"note":"x"}]`,
			wanted:   []awsauth.Role{admin},
			merged:   `[{"groups":[],"note":"x","rolearn":"arn:aws:iam::222222222222:role/app","username":"app"},{"groups":[],"rolearn":"arn:aws:iam::222222222222:role/admin","username":"arn:aws:iam::222222222222:role/admin"}]`,
			changed:  true,
		},
		"YAMLFromEKS": {
			reason:   "EKS writes YAML; an entry that is there already makes no change",
			existing: "- groups:\n  - system:nodes\n  rolearn: arn:aws:iam::222222222222:role/node\n  username: system:node:{{SessionName}}\n",
			wanted:   []awsauth.Role{node},
			merged:   "- groups:\n  - system:nodes\n  rolearn: arn:aws:iam::222222222222:role/node\n  username: system:node:{{SessionName}}\n",
		},
		"CorrectsOurs": {
			reason:   "an entry of ours with other groups is set right in its place",
			existing: `[{"rolearn":"arn:aws:iam::222222222222:role/node","username":"x","groups":["y"]}]`,
			wanted:   []awsauth.Role{node},
			merged:   `[{"groups":["system:nodes"],"rolearn":"arn:aws:iam::222222222222:role/node","username":"system:node:{{SessionName}}"}]`,
			changed:  true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			merged, changed, err := awsauth.Merge(tc.existing, tc.wanted...)
			if err != nil {
				t.Fatalf("%s: Merge: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.merged, merged); diff != "" || changed != tc.changed {
				t.Errorf("%s: changed=%t, -want +got:\n%s", tc.reason, changed, diff)
			}
		})
	}
}

func TestMergeRefusesWhatIsNoList(t *testing.T) {
	for _, existing := range []string{"{", `{"a":1}`, "[1]", "text"} {
		if _, _, err := awsauth.Merge(existing, awsauth.Role{ARN: "a"}); err == nil {
			t.Errorf("Merge(%q) accepted a text whose overwriting would lose entries", existing)
		}
	}
}

func FuzzMerge(f *testing.F) {
	wanted := awsauth.Role{ARN: "arn", Username: "user", Groups: []string{"group"}}
	f.Fuzz(func(t *testing.T, existing string) {
		merged, _, err := awsauth.Merge(existing, wanted)
		if err != nil {
			return
		}
		if again, changed, err := awsauth.Merge(merged, wanted); err != nil || changed || again != merged {
			t.Errorf("Merge is not stable: %q, then %q (changed %t, error %v)", merged, again, changed, err)
		}
	})
}

func TestWithoutPath(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:iam::222222222222:role/admin":               "arn:aws:iam::222222222222:role/admin",
		"arn:aws:iam::222222222222:role/team/platform/admin": "arn:aws:iam::222222222222:role/admin",
	} {
		if got := awsauth.WithoutPath(arn); got != want {
			t.Errorf("WithoutPath(%q) = %q, want %q", arn, got, want)
		}
	}
}
