package command

import (
	"slices"
	"strings"
)

const (
	readsFiles   = "it reads a file of the function"
	namesServer  = "which cluster is asked is decided by ClusterName"
	namesUser    = "who asks is decided by RoleArn"
	neverEnds    = "the function answers once; ask again, or use kubectl wait or kubectl rollout status"
	writesFiles  = "it writes files"
	onlyBuiltIns = "kubectl's own settings are fixed"
)

// reasons say of the flags that people may try why they are not let through.
var reasons = map[string]string{
	"f": readsFiles + ", or follows without an end", "filename": readsFiles, "k": readsFiles, "kustomize": readsFiles, "R": readsFiles, "recursive": readsFiles,
	"template":   "it may name a file; write -o go-template=… or -o jsonpath=… instead",
	"kubeconfig": namesServer, "context": namesServer, "cluster": namesServer, "server": namesServer, "s": namesServer,
	"tls-server-name": namesServer, "insecure-skip-tls-verify": namesServer, "certificate-authority": namesServer,
	"insecure-skip-tls-verify-backend": "certificates are always checked",
	"raw":                              "it reaches any path of the API server; ask for the kind of object instead",
	"user":                             namesUser, "token": namesUser, "as": namesUser, "as-group": namesUser, "as-uid": namesUser, "as-user-extra": namesUser, "username": namesUser,
	"password": namesUser, "client-certificate": namesUser, "client-key": namesUser,
	"follow": neverEnds, "watch": neverEnds, "w": neverEnds, "watch-only": neverEnds, "output-watch-events": neverEnds,
	"cache-dir": writesFiles, "profile": writesFiles, "profile-output": writesFiles, "log-file": writesFiles, "log-dir": writesFiles,
	"kuberc": onlyBuiltIns, "v": onlyBuiltIns, "vmodule": onlyBuiltIns,
}

// usualFormats are the output formats that read no file. The others of kubectl, go-template-file,
// templatefile, jsonpath-file and custom-columns-file, would print any file that the function can
// read, its environment with its credentials among them.
var usualFormats = []string{
	"json", "yaml", "kyaml", "wide", "name",
	"jsonpath=", "jsonpath-as-json=", "go-template=", "template=", "custom-columns=",
}

// checkFormat refuses an output format that is not among the formats.
func checkFormat(value string, formats []string) error {
	if formats == nil {
		formats = usualFormats
	}
	name, rest, takes := strings.Cut(value, "=")
	if takes {
		name += "="
	}
	if slices.Contains(formats, name) && (!takes || rest != "") {
		return nil
	}
	return refuse("output format %s is not let through; what is: %s", shown(value), strings.Join(formats, ", "))
}
