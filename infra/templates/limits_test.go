package templates_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// limits are what AWS takes for the texts that the templates compose, by type and property, where cfn-lint
// does not look: it does not know what comes out of a function. They are the patterns and lengths of the
// services' API references.
var limits = map[string]map[string]string{
	"AWS::DynamoDB::Table":      {"TableName": `[a-zA-Z0-9_.-]{3,255}`},
	"AWS::EKS::Cluster":         {"Name": `[0-9A-Za-z][A-Za-z0-9_-]{0,99}`},
	"AWS::IAM::ManagedPolicy":   {"ManagedPolicyName": `[\w+=,.@-]{1,128}`},
	"AWS::IAM::Role":            {"RoleName": `[\w+=,.@-]{1,64}`, "Description": `[\t\n\r\x20-\x7e\xa1-\xff]{0,1000}`},
	"AWS::KMS::Alias":           {"AliasName": `alias/[a-zA-Z0-9/_-]{1,250}`},
	"AWS::Lambda::Function":     {"FunctionName": `[a-zA-Z0-9_-]{1,64}`, "Description": `.{0,256}`},
	"AWS::Lambda::LayerVersion": {"LayerName": `[a-zA-Z0-9_-]{1,140}`, "Description": `.{0,256}`},
	"AWS::Logs::LogGroup":       {"LogGroupName": `[.\-_/#A-Za-z0-9]{1,512}`},
	"AWS::S3::Bucket":           {"BucketName": `[a-z0-9][a-z0-9-]{1,61}[a-z0-9]`},
	"AWS::SSM::Parameter":       {"Name": `(/[a-zA-Z0-9_.-]+){1,15}`, "Description": `.{0,1000}`},
}

// Prefix and name have 36 characters together, and regions with longer names than most are on offer.
func TestLimits(t *testing.T) {
	sid, value := regexp.MustCompile(`^[A-Za-z0-9]+$`), regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$`)
	left := map[string]bool{}
	for kind, properties := range limits {
		for property := range properties {
			left[kind+" "+property] = true
		}
	}
	for _, node := range []string{"FARGATE", "MANAGED"} {
		values := longest(map[string]string{
			"AWS::Region": "ap-northeast-1", "NodeType": node, "LayerVersion": "1.36", "OperationsRoleArn": "arn:aws:iam::222222222222:role/r",
		})
		for name, body := range all() {
			parameters := values
			if name == "egress" {
				parameters = outward(3, values)
			}
			for id, r := range deploy(t, body, parameters).resources() {
				for property, limit := range limits[r.Type] {
					text, ok := r.Properties[property].(string)
					if !ok {
						continue
					}
					delete(left, r.Type+" "+property)
					if !regexp.MustCompile("^(" + limit + ")$").MatchString(text) {
						t.Errorf("%s: %s: AWS refuses the %s %q", name, id, property, text)
					}
				}
				visit(r.Properties, func(key string, v any) {
					text, ok := v.(string)
					if ok && key == "Sid" && !sid.MatchString(text) {
						t.Errorf("%s: %s: IAM refuses the Sid %q", name, id, text)
					}
				})
				for _, tag := range lists(r.Properties["Tags"]) {
					pair, _ := tag.(map[string]any)
					if text, _ := pair["Value"].(string); !value.MatchString(text) || text == "" {
						t.Errorf("%s: %s: AWS refuses the tag %v", name, id, pair)
					}
				}
			}
		}
	}
	if len(left) > 0 {
		t.Errorf("no template has any more: %s", strings.Join(slices.Sorted(maps.Keys(left)), ", "))
	}
}

// visit calls f for every entry of the objects in v.
func visit(v any, f func(key string, v any)) {
	for _, element := range lists(v) {
		visit(element, f)
	}
	object, _ := v.(map[string]any)
	for key, element := range object {
		f(key, element)
		visit(element, f)
	}
}

// lists are the elements of v if it is a list.
func lists(v any) []any {
	list, _ := v.([]any)
	return list
}
