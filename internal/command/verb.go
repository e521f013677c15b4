package command

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// kind is what a flag takes.
type kind int

const (
	text   kind = iota // any value
	truth              // a boolean, which needs no value
	format             // an output format that reads no file
	period             // a duration that the run bounds
)

// forever is the timeout of a verb that waits without an end.
const forever time.Duration = math.MaxInt64

// flags are flags by their long name.
type flags map[string]kind

// verb is a command of kubectl that is let through.
type verb struct {
	// children are the sub-commands that are let through; a verb that has some is nothing by itself.
	children map[string]verb
	// flags are those besides the common ones.
	flags flags
	// short are the one-letter names of its flags.
	short map[byte]string
	// formats are the values of the output flag where they are not the usual ones.
	formats []string
	// timeout is how long a verb waits for something to happen if it is not told; zero for one that does not wait.
	timeout time.Duration
	// writes says that the verb changes an object.
	writes bool
}

// common are flags of every verb.
var common = flags{"namespace": text, "request-timeout": text, "help": truth}

var commonShort = map[byte]string{'n': "namespace", 'h': "help"}

// shorts are what the one-letter flags of nearly all verbs mean.
var shorts = map[byte]string{'A': "all-namespaces", 'l': "selector", 'o': "output"}

// verbs are the commands that are let through, with the flags that are let through. All of them are in
// kubectl 1.34 to 1.37; a test asks each layer's kubectl. What is missing here has a reason: it reads
// or writes files, names a server or a credential, acts as somebody else, or never ends.
var verbs = map[string]verb{
	"get": {
		flags: flags{
			"all-namespaces": truth, "output": format, "selector": text, "field-selector": text, "show-labels": truth,
			"show-kind": truth, "sort-by": text, "label-columns": text, "no-headers": truth, "ignore-not-found": truth,
			"chunk-size": text, "show-managed-fields": truth, "allow-missing-template-keys": truth, "server-print": truth, "subresource": text,
		},
		short: with(shorts, 'L', "label-columns"),
	},
	"describe": {flags: flags{"all-namespaces": truth, "selector": text, "chunk-size": text, "show-events": truth}, short: shorts},
	"logs": {
		flags: flags{
			"all-containers": truth, "all-pods": truth, "container": text, "ignore-errors": truth, "limit-bytes": text, "pod-running-timeout": text,
			"prefix": truth, "previous": truth, "selector": text, "since": text, "since-time": text, "tail": text, "timestamps": truth,
		},
		short: with(with(shorts, 'c', "container"), 'p', "previous"),
	},
	"top": {children: aliases(map[string]verb{
		"node nodes no": {
			flags: flags{"selector": text, "no-headers": truth, "sort-by": text, "show-capacity": truth},
			short: shorts,
		},
		"pod pods po": {
			flags: flags{"all-namespaces": truth, "selector": text, "field-selector": text, "containers": truth, "no-headers": truth, "sort-by": text, "sum": truth},
			short: shorts,
		},
	})},
	"events": {
		flags: flags{"all-namespaces": truth, "for": text, "types": text, "no-headers": truth, "output": format, "chunk-size": text},
		short: shorts,
	},
	"version":       {flags: flags{"client": truth, "output": format}, short: shorts, formats: []string{"json", "yaml"}},
	"api-resources": {flags: flags{"api-group": text, "categories": text, "namespaced": truth, "no-headers": truth, "output": format, "sort-by": text, "verbs": text}, short: shorts, formats: []string{"wide", "name", "json", "yaml", "kyaml"}},
	"api-versions":  {},
	"explain":       {flags: flags{"api-version": text, "output": format, "recursive": truth}, short: shorts, formats: []string{"plaintext", "plaintext-openapiv2"}},
	"rollout": {children: map[string]verb{
		"status":  {flags: flags{"revision": text, "selector": text, "timeout": period, "watch": truth}, short: with(shorts, 'w', "watch"), timeout: forever},
		"history": {flags: flags{"revision": text, "selector": text, "output": format, "show-managed-fields": truth}, short: shorts},
		"restart": {flags: flags{"selector": text, "output": format}, short: shorts, writes: true},
	}},
	"auth": {children: map[string]verb{
		"can-i":  {flags: flags{"all-namespaces": truth, "list": truth, "no-headers": truth, "quiet": truth, "subresource": text}, short: with(shorts, 'q', "quiet")},
		"whoami": {flags: flags{"output": format}, short: shorts},
	}},
	"wait": {
		flags: flags{"all": truth, "all-namespaces": truth, "field-selector": text, "for": text, "output": format, "selector": text, "timeout": period},
		short: shorts, timeout: 30 * time.Second,
	},
}

// Verbs lists the commands that are let through, as one writes them.
func Verbs() []string {
	var all []string
	for name, v := range verbs {
		if v.children == nil {
			all = append(all, name)
		}
		for child := range v.children {
			all = append(all, name+" "+child)
		}
	}
	slices.Sort(all)
	return all
}

// Flags lists the long flags that are let through with the words of a verb, such as "rollout", "status".
func Flags(words ...string) []string {
	v := verbs[words[0]]
	if len(words) > 1 {
		v = v.children[words[1]]
	}
	all := maps.Clone(common)
	maps.Copy(all, v.flags)
	return slices.Sorted(maps.Keys(all))
}

// aliases gives each of several names its verb.
func aliases(named map[string]verb) map[string]verb {
	all := map[string]verb{}
	for names, v := range named {
		for _, name := range strings.Fields(names) {
			all[name] = v
		}
	}
	return all
}

// with adds one letter to short flags.
func with(short map[byte]string, letter byte, name string) map[byte]string {
	more := maps.Clone(short)
	more[letter] = name
	return more
}
