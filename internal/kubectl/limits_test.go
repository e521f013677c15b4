package kubectl_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
	"github.com/harmonix-eks/environment-provider/internal/kubectl"
)

// files has files by their addresses.
type files map[string]string

func (f files) Read(_ context.Context, address, what, field string, _ int64) ([]byte, error) {
	if text, ok := f[address]; ok {
		return []byte(text), nil
	}
	return nil, fault.Wrap(fault.AccessDenied, &smithy.GenericAPIError{Code: "AccessDenied"}, "read %s from %s", what, address).WithField(field)
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var content bytes.Buffer
	writer := gzip.NewWriter(&content)
	if _, err := writer.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return content.String()
}

// A manifest that is too large for CloudFormation's event is read from S3.
func TestManifestInS3(t *testing.T) {
	const (
		a = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}`
		b = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: shop}\ndata: {n: '1'}\n"
	)
	stored := files{
		"s3://b/list.json": `[null,` + a + `]`,
		"s3://b/ascii":     `[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"},"data":{"k":"\ud83d\ude00"}}]`,
		"s3://b/docs.yaml": "---\n" + a + "\n---\n---\n" + b,
		"s3://b/list.gz":   zipped(t, "["+a+"]"),
		"s3://b/bomb.gz":   zipped(t, strings.Repeat(" ", 17<<20)),
		"s3://b/cut.gz":    zipped(t, "["+a+"]")[:20],
		"s3://b/text":      "hunter2: [",
		"s3://b/numbers":   "[1]",
		"s3://b/empty":     "",
	}
	cases := map[string]struct {
		reason     string
		properties string
		code       string
		message    string
		objects    []string
	}{
		"JSON":    {"as the property would have it", `"ManifestURL":"s3://b/list.json"`, "", "", []string{"a"}},
		"ASCII":   {"escapes that YAML does not have", `"ManifestURL":"s3://b/ascii"`, "", "", []string{"a"}},
		"YAML":    {"as people write it", `"ManifestURL":"s3://b/docs.yaml"`, "", "", []string{"a", "b"}},
		"Gzip":    {"compressed", `"ManifestURL":"s3://b/list.gz"`, "", "", []string{"a"}},
		"Bomb":    {"what comes out is bounded", `"ManifestURL":"s3://b/bomb.gz"`, "InvalidRequest", "more than 16 MiB", nil},
		"Damaged": {"a file that was cut off", `"ManifestURL":"s3://b/cut.gz"`, "InvalidRequest", "damaged", nil},
		"Text":    {"a file is never quoted", `"ManifestURL":"s3://b/text"`, "InvalidRequest", "neither JSON nor YAML", nil},
		"Numbers": {"objects are objects", `"ManifestURL":"s3://b/numbers"`, "InvalidRequest", "number 1", nil},
		"Empty":   {"nothing to apply", `"ManifestURL":"s3://b/empty"`, "InvalidRequest", "no objects", nil},
		"Missing": {"the address is named", `"ManifestURL":"s3://b/none"`, "AccessDenied", "s3://b/none", nil},
		"Other":   {"the function reads S3 alone", `"ManifestURL":"https://example.com/a"`, "InvalidRequest", "s3://bucket/key", nil},
		"Both":    {"one of the two", `"ManifestURL":"s3://b/list.json","Manifest":"[]"`, "InvalidRequest", "excludes Manifest", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFunction(t)
			f.Handler = kubectl.New(kubectl.Options{Connector: f.connector, Roles: kubectl.Roles{"*"}, Files: stored, Log: newLog(f.log)})
			_, code, message := f.invoke(t, event("Update", "KubernetesResource", tc.properties))
			if code != tc.code || !strings.Contains(message, tc.message) || strings.Contains(message, "hunter2") {
				t.Errorf("%s: %s %q, want %s with %q", tc.reason, code, message, tc.code, tc.message)
			}
			for _, object := range tc.objects {
				if f.fake.Object(maps+object) == nil {
					t.Errorf("%s: %s was not applied", tc.reason, object)
				}
			}
		})
	}
}

// Buckets have lifecycles, and a stack lives longer than a manifest in one.
func TestManifestGoneFromS3(t *testing.T) {
	const label, generic = "aws.cdk.eks/prune-c8", "app"
	old := `{"ClusterName":"dev-shop-cluster","ManifestURL":"s3://b/gone"}`
	cases := map[string]struct {
		reason  string
		label   string
		payload string
		// left are the names of what was there before that is there still.
		left          []string
		code, message string
	}{
		"Update": {
			reason: "what the label finds is pruned", label: label,
			payload: strings.TrimSuffix(event("Update", "KubernetesResource", manifest(t, label, "b")+`,"PruneLabel":"`+label+`"`), "}") + `,"OldResourceProperties":` + old + "}",
			left:    []string{"b", "other"},
		},
		"Delete":  {"what the label finds is deleted", label, event("Delete", "KubernetesResource", `"ManifestURL":"s3://b/gone","PruneLabel":"`+label+`"`), []string{"other"}, "", ""},
		"Nothing": {"the label finds nothing", "aws.cdk.eks/prune-none", event("Delete", "KubernetesResource", `"ManifestURL":"s3://b/gone","PruneLabel":"`+label+`"`), []string{"a", "b", "other"}, "AccessDenied", "Put the object back"},
		"Generic": {"a label that others' objects may have", generic, event("Delete", "KubernetesResource", `"ManifestURL":"s3://b/gone","PruneLabel":"`+generic+`"`), []string{"a", "b", "other"}, "AccessDenied", "s3://b/gone"},
		"NoLabel": {"nothing says what to delete", "l", event("Delete", "KubernetesResource", `"ManifestURL":"s3://b/gone"`), []string{"a", "b", "other"}, "AccessDenied", "with this resource retained"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFunction(t)
			f.Handler = kubectl.New(kubectl.Options{Connector: f.connector, Roles: kubectl.Roles{"*"}, Files: files{}, Log: newLog(f.log)})
			for _, request := range []string{manifest(t, tc.label, "a", "b"), manifest(t, "aws.cdk.eks/prune-other", "other")} {
				if _, code, message := f.invoke(t, event("Create", "KubernetesResource", request)); code != "" {
					t.Fatal(code, message)
				}
			}
			_, code, message := f.invoke(t, tc.payload)
			if code != tc.code || !strings.Contains(message, tc.message) {
				t.Errorf("%s: %s %s", tc.reason, code, message)
			}
			var left []string
			for _, name := range []string{"a", "b", "other"} {
				if f.fake.Object(maps+name) != nil {
					left = append(left, name)
				}
			}
			if diff := cmp.Diff(tc.left, left); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if warned := strings.Contains(f.log.String(), "not in S3 any more"); warned != (code == "") {
				t.Errorf("%s: the log warns: %t", tc.reason, warned)
			}
		})
	}
}

// CloudFormation leaves these references as they are, and the text would be taken for the secret.
func TestDynamicReferences(t *testing.T) {
	secret := strings.Replace(manifest(t, "l", "a"), `\"labels\"`, `\"annotations\":{\"password\":\"{{resolve:secretsmanager:shop:SecretString}}\"},\"labels\"`, 1)
	cases := map[string]string{
		"Manifest":       event("Create", "KubernetesResource", secret),
		"ApplyPatchJson": event("Create", "KubernetesPatch", `"ResourceName":"cm/a","ApplyPatchJson":"{\"data\":{\"a\":\"{{resolve:ssm-secure:shop:1}}\"}}","RestorePatchJson":"{}"`),
		"Values":         event("Create", "HelmChart", `"Release":"r","Chart":"c","Values":"{\"a\":\"{{resolve:secretsmanager:shop}}\"}"`),
	}
	for property, payload := range cases {
		t.Run(property, func(t *testing.T) {
			s := newStackFunction(t)
			if _, err := s.ask(t, ownARN, "", payload); err != nil {
				t.Fatal(err)
			}
			reason, _ := s.puts[0]["Reason"].(string)
			if !strings.HasPrefix(reason, "InvalidRequest: property "+property) || !strings.Contains(reason, "does not resolve") || !strings.Contains(reason, "External Secrets") {
				t.Errorf("answered %v", s.puts[0])
			}
		})
	}
	// Who asks directly means what is there.
	if _, code, message := newFunction(t).invoke(t, cases["Manifest"]); code != "" {
		t.Errorf("asked directly: %s %s", code, message)
	}
}

// A stack may be ahead of its cluster, at both ends of its life.
func TestClusterOnItsWay(t *testing.T) {
	deleting := fault.Wrap(fault.Failed, kube.ErrClusterDeleting, "connect")
	create, deletion := event("Create", "KubernetesResource", manifest(t, "l", "a")), event("Delete", "KubernetesResource", manifest(t, "l", "a"))
	cases := map[string]struct {
		reason  string
		payload string
		unready int
		err     error
		status  string
	}{
		"Creating": {"it is waited for", create, 3, nil, "SUCCESS"},
		"Deleting": {"its objects go with it", deletion, 0, deleting, "SUCCESS"},
		"Gone":     {"they went with it", deletion, 0, kube.ErrClusterNotFound, "SUCCESS"},
		"TooLate":  {"nothing can be made in it", create, 0, deleting, "FAILED"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStackFunction(t)
			s.connector.unready, s.connector.err = tc.unready, tc.err
			if tc.err != nil {
				s.connector.client = nil
			}
			if _, err := s.ask(t, ownARN, "id", tc.payload); err != nil || s.puts[0]["Status"] != tc.status {
				t.Errorf("%s: %v, %v", tc.reason, err, s.puts)
			}
		})
	}
	// Who asks directly repeats the request.
	f := newFunction(t)
	f.connector.unready = 1
	if _, code, _ := f.invoke(t, create); code != "Transient" {
		t.Errorf("asked directly: %q", code)
	}
}

// One function serves as many clusters as it is asked about.
func TestManyClusters(t *testing.T) {
	f := newFunction(t)
	query := event("Create", "KubernetesObjectValue", webReplicas)
	for _, cluster := range []string{"one", "two"} {
		if _, code, message := f.invoke(t, strings.Replace(query, "dev-shop-cluster", cluster, 1)); code != "" {
			t.Fatal(code, message)
		}
	}
	if diff := cmp.Diff([]string{"one " + adminRole, "two " + adminRole}, f.connector.asked); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
}

// A value that appears with readiness is how a stack waits for it.
func TestWaitsForReadiness(t *testing.T) {
	f := newFunction(t)
	f.fake.Answer("GET "+shopWeb, kubetest.Answer{Status: http.StatusNotFound, Reason: "NotFound", Message: "not yet"})
	f.fake.Put(shopWeb, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},"status":{"availableReplicas":2}}`)
	answer, code, message := f.invoke(t, event("Create", "KubernetesObjectValue",
		`"ObjectType":"deployment","ObjectName":"web","ObjectNamespace":"shop","JsonPath":".status.availableReplicas","TimeoutSeconds":"30"`))
	if answer != `{"Data":{"Value":"2"}}` {
		t.Error(answer, code, message)
	}
}

// Scalars mean what they say, whatever their type (kubectl-protocol.md, 1A).
func TestScalars(t *testing.T) {
	for _, value := range []string{`false`, `"false"`, `"False"`, `0`, `"0"`, `""`, `null`} {
		f := newFunction(t)
		f.invoke(t, event("Create", "KubernetesResource", manifest(t, "l", "a")))
		if _, code, _ := f.invoke(t, event("Create", "KubernetesResource", manifest(t, "l", "a")+`,"Overwrite":`+value+`,"SkipValidation":`+value)); code != "Conflict" {
			t.Errorf("Overwrite %s counts as true: %q", value, code)
		}
	}
	for _, value := range []string{`5`, `"5"`, `5.0`, `" 5 "`} {
		if _, code, message := newFunction(t).invoke(t, event("Create", "KubernetesObjectValue", webReplicas+`,"TimeoutSeconds":`+value)); code != "" {
			t.Errorf("TimeoutSeconds %s: %s %s", value, code, message)
		}
	}
}

// What a path finds is bounded before it is put together.
func TestLargeValue(t *testing.T) {
	f := newFunction(t)
	f.fake.Put(maps+"wide", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"wide","namespace":"shop"},"data":{"a":"`+strings.Repeat("x", 4<<20)+`"}}`)
	_, code, message := f.invoke(t, event("Create", "KubernetesObjectValue", `"ObjectType":"cm","ObjectName":"wide","ObjectNamespace":"shop","JsonPath":"@}{@}{@}{@"`))
	if code != "Failed" || !strings.Contains(message, "JsonPath finds more than") {
		t.Errorf("%s %.200s", code, message)
	}
}

// What a list has no room for it never has: there is nothing to wait for.
func TestLargeList(t *testing.T) {
	f := newFunction(t)
	for _, name := range []string{"one", "two"} {
		f.fake.Put(maps+name, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"`+name+`","namespace":"shop"},"data":{"a":"`+strings.Repeat("x", 13<<20)+`"}}`)
	}
	_, code, message := f.invoke(t, event("Create", "KubernetesObjectValue", `"ObjectType":"cm","ObjectNamespace":"shop","JsonPath":".items[*].metadata.name"`))
	if code != "InvalidRequest" || !strings.Contains(message, "24 MiB") || !strings.Contains(message, "a name, a namespace or a selector") {
		t.Errorf("%s %.200s", code, message)
	}
}
