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
		notSupportedYet, identifiers, lengths, account, cidr, publicAccess, vpc, images, version, amiType, architecture,
		roles, assumableRoles, clusterAdminTrust, permissionsBoundary, sizes, diskSize, tags,
	}
	var all []Violation
	for _, r := range rules {
		all = append(all, r(doc)...)
	}
	return all
}

// notSupportedYet refuses the values that are part of the contract and not built yet.
func notSupportedYet(doc document) []Violation {
	var all []Violation
	for field, supported := range map[string]string{"operation": OperationApply} {
		switch value := doc[field]; value {
		case "plan", "delete":
			all = append(all, Violation{
				Pointer: pointerTo(field), Given: given("", value), Allowed: quote(supported),
				Hint: "the other values are not supported by this version yet",
			})
		}
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

// amiType refuses Amazon Linux 2 where EKS has no images of it any more (kubectl-protocol.md,
// section 4.3: the last version is 1.32).
func amiType(doc document) []Violation {
	ami, _ := doc.text("amiType")
	minor, ok := doc.text("kubernetesVersion")
	if !ok {
		minor = DefaultKubernetesVersion
	}
	if doc["nodeType"] != NodeTypeManaged || !strings.HasPrefix(ami, "AL2_") || !minorVersion.MatchString(minor) || minor < "1.33" {
		return nil
	}
	return []Violation{{
		Pointer: "/amiType",
		Given:   given("", ami) + " with Kubernetes " + minor,
		Allowed: "AL2023_… or BOTTLEROCKET_…, because EKS has no Amazon Linux 2 images from Kubernetes 1.33",
		Hint:    "leave it out for " + quote(DefaultAMIType),
	}}
}

// armFamily finds the instance families with Arm processors by AWS' naming: a g after the generation
// (docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html), and a1 from before it.
var armFamily = regexp.MustCompile(`^(a1|[a-z]+[0-9]+[a-z]*g[a-z]*)[.-]`)

// architecture checks that the nodes' processors run the nodes' image. A type that the naming says
// nothing about is preflight's to look up.
func architecture(doc document) []Violation {
	instance, ami := DefaultInstanceType, DefaultAMIType
	if sent, ok := doc.text("instanceType"); ok {
		instance = sent
	}
	if sent, ok := doc.text("amiType"); ok {
		ami = sent
	}
	processor, mine, others := "x86_64", "_x86_64", "_ARM_64"
	if armFamily.MatchString(instance) {
		processor, mine, others = "arm64", others, mine
	}
	if doc["nodeType"] != NodeTypeManaged || !strings.Contains(ami, others) {
		return nil
	}
	other := strings.Replace(ami, others, mine, 1)
	v := Violation{
		Pointer: "/instanceType",
		Given:   fmt.Sprintf("%s, which has %s processors, with amiType %s", quote(shorten(instance, maxGiven)), processor, quote(shorten(ami, maxGiven))),
		Allowed: "an instance type and an image for the same processors",
	}
	if s, err := schema(); err == nil && slices.Contains(texts(s.Properties["amiType"].Enum.Values), other) {
		v.Hint = "amiType " + quote(other) + " fits the instance type"
	}
	return []Violation{v}
}

// sizes checks that a managed node group's sizes are in order.
func sizes(doc document) []Violation {
	if doc["nodeType"] != NodeTypeManaged {
		return nil
	}
	r := Request{
		NodeGroupMinSize:     doc.number("nodeGroupMinSize"),
		NodeGroupDesiredSize: doc.number("nodeGroupDesiredSize"),
		NodeGroupMaxSize:     doc.number("nodeGroupMaxSize"),
	}.withNodeDefaults()
	if r.NodeGroupMinSize <= r.NodeGroupDesiredSize && r.NodeGroupDesiredSize <= r.NodeGroupMaxSize {
		return nil
	}
	return []Violation{{
		Pointer: "/nodeGroupDesiredSize",
		Given:   fmt.Sprintf("min %d, desired %d, max %d", r.NodeGroupMinSize, r.NodeGroupDesiredSize, r.NodeGroupMaxSize),
		Allowed: "min ≤ desired ≤ max",
	}}
}

// diskSize checks that a node's disk holds the images of EKS.
func diskSize(doc document) []Violation {
	size := doc.number("nodeGroupDiskSize")
	if doc["nodeType"] != NodeTypeManaged || size == 0 || size >= DefaultDiskSize {
		return nil
	}
	return []Violation{{
		Pointer: "/nodeGroupDiskSize", Given: given("", doc["nodeGroupDiskSize"]),
		Allowed: fmt.Sprintf("an integer from %d to 16384", DefaultDiskSize),
	}}
}

// tagText is what IAM, the strictest of the services involved, takes in keys and values
// (docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html).
var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// tags checks keys and values.
func tags(doc document) []Violation {
	sent, _ := doc["tags"].(map[string]any)
	var all []Violation
	folded := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(sent)) {
		v := Violation{Pointer: pointerTo("tags", key), Given: "the key " + quote(shorten(key, maxGiven))}
		value, _ := sent[key].(string)
		other, twice := folded[strings.ToLower(key)]
		folded[strings.ToLower(key)] = key
		switch {
		case key == "" || len([]rune(key)) > 128:
			v.Allowed = "keys of 1 to 128 characters"
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			v.Allowed = "keys that do not begin with aws:, which AWS reserves"
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
