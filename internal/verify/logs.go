package verify

import (
	"context"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

// logs looks for what makes pods log, where each kind of capacity has it, and whether a pod's lines go
// to the group that Harmonix' Logs tab reads (harmonix-contract.md, section 3.4).
func logs(ctx context.Context, c cluster, s environment.State, v *environment.Verification) error {
	namespace, name, file := "aws-observability", "aws-logging", "output.conf"
	if s.Request.NodeType == environment.NodeTypeManaged {
		namespace, name, file = "amazon-cloudwatch", "fluent-bit-config", "application-log.conf"
		if err := daemons(ctx, c, namespace, v); err != nil {
			return err
		}
	}
	live, found, err := named[config](ctx, c, "configmaps", namespace, name)
	if err != nil {
		return err
	}
	if !found {
		find(v, "LoggingMissing", "start the same request again", "ConfigMap %s/%s does not exist, so no pod logs to %s", namespace, name, s.Names.LogGroup)
		return nil
	}
	if want := s.Names.LogGroup + "/$kubernetes['namespace_name']"; !routes(live.Data[file], want) {
		find(v, "LoggingElsewhere", "start the same request again, which puts the configuration back",
			"%s of ConfigMap %s/%s does not send the pods' logs to %s/{namespace}, where Harmonix looks for them", file, namespace, name, s.Names.LogGroup)
	}
	return nil
}

// daemons looks for Fluent Bit on the nodes. Whether each of its pods is ready changes with the nodes.
func daemons(ctx context.Context, c cluster, namespace string, v *environment.Verification) error {
	_, found, err := named[struct{}](ctx, c, "daemonsets", namespace, "fluent-bit")
	if err == nil && !found {
		find(v, "LoggingMissing", "start the same request again", "DaemonSet %s/fluent-bit does not exist, so no pod logs", namespace)
	}
	return err
}

// routes reports whether a configuration of Fluent Bit has an output to CloudWatch that takes the pods'
// lines and has this template of a log group.
func routes(text, template string) bool {
	var section map[string]string
	matches := func() bool {
		return section["name"] == "cloudwatch_logs" && section["log_group_template"] == template &&
			(section["match"] == "*" || strings.HasPrefix(section["match"], "kube.*"))
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			if matches() {
				return true
			}
			section = nil
			if line == "[OUTPUT]" {
				section = map[string]string{}
			}
			continue
		}
		// Fluent Bit's keys are in any case.
		if key, value, ok := strings.Cut(line, " "); ok && section != nil {
			section[strings.ToLower(key)] = strings.TrimSpace(value)
		}
	}
	return matches()
}

// named returns what T reads of the object of that name, and false if there is none.
func named[T any](ctx context.Context, c cluster, kind, namespace, name string) (T, bool, error) {
	var none T
	// The name is asked for beside what T reads.
	fields := client.FieldsOf[T]()
	fields["metadata"] = client.Fields{"name": nil}
	items, err := c.List(ctx, kind, namespace, fields)
	if err != nil {
		return none, false, err
	}
	for _, item := range items {
		if metadata, _ := item["metadata"].(map[string]any); metadata["name"] == name {
			object, err := client.Decode[T](item)
			return object, err == nil, err
		}
	}
	return none, false, nil
}

// config is what is read of a ConfigMap.
type config struct {
	Data map[string]string `json:"data"`
}
