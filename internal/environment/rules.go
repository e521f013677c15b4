package environment

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A rule checks what a schema cannot say, or cannot say well. It looks at values of the right type
// only: the schema speaks of the others.
type rule func(document) []Violation

// broken returns what the rules find in doc.
func broken(doc document) []Violation {
	rules := []rule{
		identifiers, lengths, account, cidr, publicAccess, vpc, images, version, roles, assumableRoles, clusterAdminTrust, permissionsBoundary,
		instanceTypes, amiType, architecture, accelerator, sizes, diskSize, nodeLabels, nodeTaints, nodeUpdate, fargateSelectors, tags,
	}
	var all []Violation
	for _, r := range rules {
		all = append(all, r(doc)...)
	}
	return all
}

var identifier = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// identifiers checks name and prefix. They are part of IAM role names that Harmonix derives from
// what was typed, so nothing is converted silently (harmonix-contract.md, section 8.3).
func identifiers(doc document) []Violation {
	var all []Violation
	for _, field := range []string{"name", "prefix"} {
		value, ok := doc.text(field)
		if !ok {
			continue
		}
		v := Violation{Pointer: pointerTo(field), Given: given("", value)}
		switch {
		case !identifier.MatchString(value):
			v.Allowed = "lower-case letters, digits and hyphens, a letter or digit first and last"
			if c := corrected(value); c != "" {
				v.Hint = "did you mean " + quote(shorten(c, maxGiven)) + "?"
			}
		// docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html:
		// parameter names cannot begin with these.
		case field == "prefix" && (strings.HasPrefix(value, "aws") || strings.HasPrefix(value, "ssm")):
			v.Allowed = "a prefix that does not begin with aws or ssm, which SSM reserves"
		default:
			continue
		}
		all = append(all, v)
	}
	return all
}

// corrected returns the identifier that value was meant to be, or "". Spaces vanish, as they do in
// the Harmonix template.
func corrected(value string) string {
	value = strings.ReplaceAll(strings.ToLower(value), " ", "")
	value = regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(value, "-")
	return strings.Trim(value, "-")
}

// MaxNameLength is how many characters prefix and name have together. The longest names that AWS
// limits to 64 are the roles "{prefix}-{name}-cluster-control-plane-role" and
// "{prefix}-{name}-cluster-fluent-bit-sa-role" (harmonix-contract.md, section 2.5); the function
// "EKS-ENV-{prefix}-{name}-kubectl" would leave 47.
const MaxNameLength = 64 - len("-") - len("-cluster-control-plane-role")

// lengths checks that the names derived from prefix and name fit.
func lengths(doc document) []Violation {
	prefix, _ := doc.text("prefix")
	name, _ := doc.text("name")
	if n := len(prefix) + len(name); n > MaxNameLength {
		return []Violation{{
			Pointer: "/name",
			Given:   fmt.Sprintf("%d characters in prefix and name together", n),
			Allowed: fmt.Sprintf("at most %d", MaxNameLength),
			Hint:    `the role "{prefix}-{name}-cluster-control-plane-role" has to stay within IAM's 64 characters`,
		}}
	}
	return nil
}

// account checks the target account's number.
func account(doc document) []Violation {
	value, ok := doc.text("awsAccountID")
	if !ok || accountID.MatchString(value) {
		return nil
	}
	v := Violation{Pointer: "/awsAccountID", Given: given("", value), Allowed: "12 digits"}
	if c := strings.NewReplacer("-", "", " ", "").Replace(value); accountID.MatchString(c) {
		v.Hint = "did you mean " + quote(c) + "?"
	}
	return []Violation{v}
}

var (
	accountID    = regexp.MustCompile(`^[0-9]{12}$`)
	minorVersion = regexp.MustCompile(`^1\.[0-9]{2}$`)
	// nearlyMinor finds the minor version in "v1.36" or "1.36.2".
	nearlyMinor = regexp.MustCompile(`^v?(1\.[0-9]{2})(\.[0-9]+)?$`)
)

// version checks the form of the Kubernetes version; whether EKS has it is preflight's to ask.
func version(doc document) []Violation {
	const pointer, allowed = "/kubernetesVersion", `a minor version as a string, such as "1.36"`
	switch value := doc["kubernetesVersion"].(type) {
	case int64, float64:
		return []Violation{{
			Pointer: pointer, Given: given("", value), Allowed: allowed,
			Hint: "send it in quotation marks: as a number, 1.30 is 1.3",
		}}
	case string:
		if minorVersion.MatchString(value) {
			return nil
		}
		v := Violation{Pointer: pointer, Given: given("", value), Allowed: allowed}
		if m := nearlyMinor.FindStringSubmatch(value); m != nil {
			v.Hint = "did you mean " + quote(m[1]) + "?"
		}
		return []Violation{v}
	}
	return nil
}

// tagText is what IAM, the strictest of the services involved, takes in keys and values
// (docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html).
var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// maxTags is how many bytes the keys and values of all tags have together. They stand in the template of
// a node group three times, and CloudFormation takes 51,200 bytes (aws-traps.md, row 1.62).
const maxTags = 12_000

// tags checks keys and values.
func tags(doc document) []Violation {
	sent, _ := doc["tags"].(map[string]any)
	var all []Violation
	size := 0
	for key, value := range sent {
		text, _ := value.(string)
		size += len(key) + len(text)
	}
	if size > maxTags {
		all = append(all, Violation{
			Pointer: "/tags", Given: fmt.Sprintf("%d bytes in all keys and values together", size),
			Allowed: fmt.Sprintf("at most %d, because a template of CloudFormation has 51200", maxTags),
		})
	}
	folded := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(sent)) {
		v := Violation{Pointer: pointerTo("tags", key), Given: "the key " + quote(shorten(key, maxGiven))}
		value, isText := sent[key].(string)
		other, twice := folded[strings.ToLower(key)]
		folded[strings.ToLower(key)] = key
		switch {
		case key == "" || len([]rune(key)) > 128:
			v.Allowed = "keys of 1 to 128 characters"
		case isText && value == "":
			v.Given += " without a value"
			v.Allowed = "values of 1 to 256 characters: CloudFormation gives a stack no empty one"
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			v.Allowed = "keys that do not begin with aws:, which AWS reserves"
		case key != Tag && strings.EqualFold(key, Tag):
			v.Allowed = "keys other than " + Tag + ", which the provider puts on everything itself, and from which IAM tells no other case"
		case !tagText.MatchString(key) || !tagText.MatchString(value):
			v.Given += " with " + quote(shorten(value, maxGiven))
			v.Allowed = "letters, digits, spaces and _.:/=+-@ in keys and values"
		case twice:
			v.Given += " beside " + quote(shorten(other, maxGiven))
			v.Allowed = "keys that differ in more than case, which IAM ignores"
		default:
			continue
		}
		all = append(all, v)
	}
	return all
}
