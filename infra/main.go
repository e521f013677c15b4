// Command infra writes the CloudFormation templates of an environment.
//
// The templates are what the stages deploy: one per stack, parameterized, without assets or anything
// else that would have to be bootstrapped. They are committed, so neither a build of the product nor a
// deployment needs the CDK or Node; only this command does.
//
//	go run ./infra -out infra/templates
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// validation is the variable that switches off what the CDK checks in a finished assembly: cfn-lint
// checks the committed templates, and the CDK's own check takes longer than everything else.
const validation = "CDK_VALIDATION"

func main() {
	out := flag.String("out", "infra/templates", "the folder that the templates are written to")
	flag.Parse()
	run := again
	if os.Getenv(validation) == "false" {
		run = func() error { return write(*out) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		os.Exit(1)
	}
}

// again starts this program once more with the validation off. The CDK's runtime takes its
// environment while the packages are initialized, so a change made in main would come too late.
func again() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	command := exec.Command(self, os.Args[1:]...) //nolint:gosec // this very program
	command.Env = append(os.Environ(), validation+"=false")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

// write synthesizes the templates into the folder out.
func write(out string) error {
	templates, err := synthesize()
	if err != nil {
		return err
	}
	for name, body := range templates {
		file := filepath.Join(out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // templates are public
			return fmt.Errorf("create the templates' folder: %w", err)
		}
		if err := os.WriteFile(file, body, 0o644); err != nil { //nolint:gosec // templates are public
			return fmt.Errorf("write template: %w", err)
		}
	}
	return nil
}

// synthesize returns every file of the folder templates that is made here, by its name.
func synthesize() (map[string][]byte, error) {
	assembly, err := os.MkdirTemp("", "infra")
	if err != nil {
		return nil, fmt.Errorf("create the assembly's folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(assembly) }() // temporary: nothing to report
	defer jsii.Close()

	app := awscdk.NewApp(&awscdk.AppProps{
		Outdir: jsii.String(assembly),
		// No AWS::CDK::Metadata resource, whose content follows the CDK's version.
		AnalyticsReporting: jsii.Bool(false),
	})
	names := map[string]string{}
	for file, build := range map[string]func(*template){
		"bootstrap":  bootstrap,
		"deletehook": deleteHook,
		"network":    network,
		"identity":   identity,
		"cluster":    cluster,
		"egress":     egress,
		"kubectl":    kubectl,
		"provider":   provider,

		"network-existing": existingNetwork,
		"egress-existing":  existingEgress,

		"capacity-managed": capacityManaged,
		"capacity-fargate": capacityFargate,
		"addonroles":       addonRoles,
	} {
		t := newTemplate(app, file)
		build(t)
		names[file+".json"] = *t.stack.TemplateFile()
	}
	app.Synth(nil)

	files := map[string][]byte{"policies/cluster.json": clusterPolicy()}
	for name, source := range names {
		body, err := os.ReadFile(filepath.Join(assembly, source))
		if err != nil {
			return nil, fmt.Errorf("read synthesized template: %w", err)
		}
		if files[name], err = indent(body); err != nil {
			return nil, fmt.Errorf("format %s: %w", name, err)
		}
	}
	return files, nil
}

// indent lays a JSON document out with one space per level: readable in a diff, and still well below
// the 51,200 bytes that CloudFormation takes as TemplateBody.
func indent(document []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(document), "", " "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
