package environment

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// AMI types are those of EKS' CreateNodegroup (kubectl-protocol.md, section 4.3). Which image one of
// them is follows from the cluster's Kubernetes version, and EKS chooses it.
const (
	amiBottlerocket = "BOTTLEROCKET_"
	amiX86          = "_x86_64"
	amiARM          = "_ARM_64"
)

// Bottlerocket reports whether the nodes run Bottlerocket.
func (r Request) Bottlerocket() bool { return strings.HasPrefix(r.AMIType, amiBottlerocket) }

// instances are the instance types that doc asks for, by either field, or the default.
func instances(doc document) []string {
	if list := entries(doc, "instanceTypes"); len(list) > 0 {
		return list
	}
	if sent, ok := doc.text("instanceType"); ok {
		return []string{sent}
	}
	return []string{DefaultInstanceType}
}

// entries are the strings of a list.
func entries(doc document, field string) []string {
	list, _ := doc[field].([]any)
	return texts(list)
}

// image is the AMI type that doc asks for, or the default.
func image(doc document) string {
	if sent, ok := doc.text("amiType"); ok {
		return sent
	}
	return DefaultAMIType
}

// instanceTypes checks that Harmonix' field and the list say the same, if both are there.
func instanceTypes(doc document) []Violation {
	one, ok := doc.text("instanceType")
	list := entries(doc, "instanceTypes")
	if doc["nodeType"] != NodeTypeManaged || !ok || len(list) == 0 || slices.Equal(list, []string{one}) {
		return nil
	}
	return []Violation{{
		Pointer: "/instanceTypes",
		Given:   fmt.Sprintf("%s beside instanceType %s", shorten(quoteAll(list), maxGiven), quote(shorten(one, maxGiven))),
		Allowed: "one of the two fields, or both with the same single type",
		Hint:    "leave instanceType out: instanceTypes takes one type as well as several",
	}}
}

// amiType refuses Amazon Linux 2 where EKS has no images of it any more (kubectl-protocol.md,
// section 4.3: the last version is 1.32), and what EKS has and this provider does not make.
func amiType(doc document) []Violation {
	ami, _ := doc.text("amiType")
	minor, ok := doc.text("kubernetesVersion")
	if !ok {
		minor = DefaultKubernetesVersion
	}
	v := Violation{Pointer: "/amiType", Given: given("", ami), Hint: "leave it out for " + quote(DefaultAMIType)}
	switch {
	case doc["nodeType"] != NodeTypeManaged:
		return nil
	case strings.HasPrefix(ami, "WINDOWS_"):
		v.Allowed = "AL2023_… or BOTTLEROCKET_…: CoreDNS, the load balancer controller and Fluent Bit run on Linux nodes only, and the environment has one node group"
	case ami == "CUSTOM":
		v.Allowed = "AL2023_… or BOTTLEROCKET_…: an image of your own joins the cluster by user data of its own, which the provider does not write"
	case strings.HasPrefix(ami, "AL2_") && minorVersion.MatchString(minor) && minor >= "1.33":
		v.Given += " with Kubernetes " + minor
		v.Allowed = "AL2023_… or BOTTLEROCKET_…, because EKS has no Amazon Linux 2 images from Kubernetes 1.33"
	default:
		return nil
	}
	return []Violation{v}
}

// armFamily finds the instance families with Arm processors by AWS' naming: a g after the generation
// (docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html), and a1 from before it.
var armFamily = regexp.MustCompile(`^(a1|[a-z]+[0-9]+[a-z]*g[a-z]*)[.-]`)

// architecture checks that the nodes' processors run the nodes' image. A type that the naming says
// nothing about is preflight's to look up.
func architecture(doc document) []Violation {
	types, ami := instances(doc), image(doc)
	forARM := strings.Contains(ami, amiARM)
	other := strings.Replace(ami, amiX86, amiARM, 1)
	if forARM {
		other = strings.Replace(ami, amiARM, amiX86, 1)
	}
	misfit := func(instance string) bool { return armFamily.MatchString(instance) != forARM }
	wrong := slices.IndexFunc(types, misfit)
	if doc["nodeType"] != NodeTypeManaged || wrong < 0 || other == ami {
		return nil
	}
	processor := map[bool]string{false: "arm64", true: "x86_64"}[forARM]
	v := Violation{
		Pointer: "/instanceType",
		Given:   fmt.Sprintf("%s, which has %s processors, with amiType %s", quote(shorten(types[wrong], maxGiven)), processor, quote(shorten(ami, maxGiven))),
		Allowed: "an instance type and an image for the same processors",
	}
	if doc["instanceTypes"] != nil {
		v.Pointer = fmt.Sprintf("/instanceTypes/%d", wrong)
	}
	all := !slices.ContainsFunc(types, func(instance string) bool { return !misfit(instance) })
	if s, err := schema(); err == nil && all && slices.Contains(texts(s.Properties["amiType"].Enum.Values), other) {
		v.Hint = "amiType " + quote(other) + " fits the instance type"
	}
	return []Violation{v}
}

// The families with accelerators, by AWS' naming: docs.aws.amazon.com/ec2/latest/instancetypes/ac.html.
// A g4ad has a GPU that is not NVIDIA's.
var (
	nvidiaFamily = regexp.MustCompile(`^(p[0-9]|gr?[0-9])[a-z0-9-]*\.`)
	neuronFamily = regexp.MustCompile(`^(inf|trn)[0-9]`)
)

func hasNVIDIA(instance string) bool {
	return nvidiaFamily.MatchString(instance) && !strings.HasPrefix(instance, "g4ad.")
}

// accelerator checks that an image with drivers finds the device that they are for: on other
// instances their services fail, and with them the node.
func accelerator(doc document) []Violation {
	ami, device := image(doc), ""
	fits := func(string) bool { return true }
	switch {
	case strings.Contains(ami, "_NVIDIA") || strings.HasSuffix(ami, "_GPU"):
		device, fits = "an NVIDIA GPU, such as g6.xlarge", hasNVIDIA
	case strings.HasSuffix(ami, "_NEURON"):
		device, fits = "AWS Inferentia or Trainium, such as inf2.xlarge", neuronFamily.MatchString
	}
	wrong := slices.IndexFunc(instances(doc), func(instance string) bool { return !fits(instance) })
	if doc["nodeType"] != NodeTypeManaged || wrong < 0 {
		return nil
	}
	return []Violation{{
		Pointer: "/amiType",
		Given:   fmt.Sprintf("%s with the instance type %s", quote(shorten(ami, maxGiven)), quote(shorten(instances(doc)[wrong], maxGiven))),
		Allowed: "this image with instance types that have " + device,
		Hint:    "choose such an instance type, or an image without drivers",
	}}
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

// diskSize checks that a node's disk holds the images of EKS, whose snapshots have 20 GiB:
// Amazon Linux' root volume, and Bottlerocket's data volume.
func diskSize(doc document) []Violation {
	size := doc.number("nodeGroupDiskSize")
	if doc["nodeType"] != NodeTypeManaged || size == 0 || size >= DefaultDiskSize {
		return nil
	}
	return []Violation{{
		Pointer: "/nodeGroupDiskSize", Given: given("", doc["nodeGroupDiskSize"]),
		Allowed: fmt.Sprintf("an integer from %d to 16384", DefaultDiskSize),
		Hint:    "the images of EKS need that much",
	}}
}
