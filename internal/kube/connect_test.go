package kube_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
)

const role = "arn:aws:iam::222222222222:role/dev-shop-cluster-admin"

// cloud is an AWS endpoint that knows DescribeCluster and AssumeRole.
type cloud struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string
}

func newCloud(t *testing.T, cluster *kubetest.Fake) *cloud {
	t.Helper()
	c := &cloud{}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cluster.Server.Certificate().Raw})
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case r.URL.Path == "/clusters/dev-shop-cluster":
			c.calls = append(c.calls, "DescribeCluster")
			_ = json.NewEncoder(w).Encode(map[string]any{"cluster": map[string]any{
				"name": "dev-shop-cluster", "status": "ACTIVE", "endpoint": cluster.Server.URL,
				"certificateAuthority": map[string]any{"data": base64.StdEncoding.EncodeToString(authority)},
			}})
		case form.Get("Action") == "AssumeRole" && form.Get("RoleArn") == role:
			c.calls = append(c.calls, "AssumeRole "+form.Get("RoleSessionName"))
			fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>
				<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration>
				</Credentials></AssumeRoleResult></AssumeRoleResponse>`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		case form.Get("Action") == "AssumeRole":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`)
		case r.URL.Path == "/clusters/former":
			w.Header().Set("X-Amzn-ErrorType", "ClientException")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"message":"No cluster found for name: former."}`)
		default:
			w.Header().Set("X-Amzn-ErrorType", "ResourceNotFoundException")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"No cluster found"}`)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// connector returns a connector whose AWS calls go to the cloud, as with AWS_ENDPOINT_URL.
func (c *cloud) connector() *kube.Connector {
	return kube.NewConnector(aws.Config{
		Region:       "eu-west-1",
		Credentials:  credentials.NewStaticCredentialsProvider("AKIAOWN", "s", ""),
		BaseEndpoint: aws.String(c.URL),
	})
}

func TestConnect(t *testing.T) {
	cases := map[string]struct {
		reason string
		role   string
		calls  []string
		key    string
	}{
		"OwnRole": {
			reason: "without a role the function's own credentials sign the token",
			calls:  []string{"DescribeCluster"},
			key:    "AKIAOWN",
		},
		"AssumedRole": {
			reason: "a role is assumed once, with the session name of the AWS CLI",
			role:   role,
			calls:  []string{"DescribeCluster", "AssumeRole EKSGetTokenAuth"},
			key:    "ASIAROLE",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cluster := kubetest.NewFake(t)
			cluster.Put("/api/v1/namespaces/shop/configmaps/web", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"shop"}}`)
			cloud := newCloud(t, cluster)
			connector := cloud.connector()
			for range 2 {
				client, err := connector.Connect(t.Context(), "dev-shop-cluster", tc.role)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := client.Get(t.Context(), "cm", "shop", "web"); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tc.calls, cloud.calls); diff != "" {
				t.Errorf("%s: AWS calls (-want +got):\n%s", tc.reason, diff)
			}
			tokens := cluster.Tokens()
			if len(tokens) != 1 {
				t.Fatalf("%d tokens were used, want one", len(tokens))
			}
			checkToken(t, tokens[0], tc.key)
		})
	}
}

// checkToken holds a token against what the authenticator demands.
// https://github.com/kubernetes-sigs/aws-iam-authenticator/blob/master/pkg/token/token.go
func checkToken(t *testing.T, header, key string) {
	t.Helper()
	encoded, ok := strings.CutPrefix(header, "Bearer k8s-aws-v1.")
	if !ok {
		t.Fatal("the token has not EKS' prefix")
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := url.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	query := signed.Query()
	got := map[string]string{
		"host": signed.Scheme + "://" + signed.Host, "action": query.Get("Action"), "expires": query.Get("X-Amz-Expires"),
		"headers": query.Get("X-Amz-SignedHeaders"), "key": strings.Split(query.Get("X-Amz-Credential"), "/")[0],
	}
	want := map[string]string{
		"host": "https://sts.eu-west-1.amazonaws.com", "action": "GetCallerIdentity", "expires": "60",
		"headers": "host;x-k8s-aws-id", "key": key,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("presigned request (-want +got):\n%s", diff)
	}
}

func TestConnectFailures(t *testing.T) {
	cluster := kubetest.NewFake(t)
	connector := newCloud(t, cluster).connector()

	// EKS has two forms for it (aws-traps.md, row 1.8).
	for _, missing := range []string{"none", "former"} {
		_, err := connector.Connect(t.Context(), missing, "")
		if !errors.Is(err, kube.ErrClusterNotFound) || fault.CodeOf(err) != fault.Failed {
			t.Errorf("a cluster that does not exist: %v", err)
		}
	}
	_, err := connector.Connect(t.Context(), "dev-shop-cluster", role+"-other")
	if fault.CodeOf(err) != fault.AccessDenied || !strings.Contains(err.Error(), role+"-other") {
		t.Errorf("a role that may not be assumed: %v", err)
	}
}

func TestUnauthorizedTakesNewToken(t *testing.T) {
	cluster := kubetest.NewFake(t)
	path := "/api/v1/namespaces/shop/configmaps/web"
	cluster.Put(path, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"shop"}}`)
	cluster.Answer("GET "+path, kubetest.Answer{Status: http.StatusUnauthorized, Reason: "Unauthorized", Message: "Unauthorized"})
	client, err := newCloud(t, cluster).connector().Connect(t.Context(), "dev-shop-cluster", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), "cm", "shop", "web"); err != nil {
		t.Errorf("an entry that takes effect a moment later: %v", err)
	}
}
