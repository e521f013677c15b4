package environment

import "strings"

// vpc checks that what belongs to an existing VPC is named with one, and what makes a new one without.
func vpc(doc document) []Violation {
	existing := doc["vpcConfiguration"] == VPCUseExisting
	if existing == (doc["vpcConfiguration"] == VPCCreateNew) {
		return nil // neither: the schema speaks
	}
	if existing {
		return existingVPC(doc)
	}
	var all []Violation
	for _, field := range []string{"vpcId", "subnetIds", "tagSubnets"} {
		value, sent := doc[field]
		if !sent || value == false {
			continue
		}
		all = append(all, Violation{
			Pointer: pointerTo(field), Given: given("", value) + " with vpcConfiguration " + quote(VPCCreateNew),
			Allowed: "nothing, or vpcConfiguration " + quote(VPCUseExisting),
		})
	}
	return all
}

func existingVPC(doc document) []Violation {
	var all []Violation
	if _, ok := doc.text("vpcId"); !ok && doc["vpcId"] == nil {
		all = append(all, Violation{
			Pointer: "/vpcId", Given: "nothing with vpcConfiguration " + quote(VPCUseExisting), Allowed: "a string such as " + quote("vpc-0123456789abcdef0"),
		})
	}
	// The form sends cidr in any case, and never this.
	if value, ok := doc.text("natGateways"); ok {
		all = append(all, Violation{
			Pointer: "/natGateways", Given: given("", value) + " with vpcConfiguration " + quote(VPCUseExisting),
			Allowed: "nothing: in a VPC that exists, the gateways that are there are used",
		})
	}
	return all
}

// images checks that an image is named for something that runs.
func images(doc document) []Violation {
	sent, _ := doc["images"].(map[string]any)
	value, ok := sent["fluentBit"].(string)
	if !ok || doc["nodeType"] != NodeTypeFargate {
		return nil
	}
	return []Violation{{
		Pointer: "/images/fluentBit", Given: given("", value) + " with nodeType " + quote(NodeTypeFargate),
		Allowed: "nothing: Fargate has a log router of its own",
	}}
}

// Image splits an image's name into its repository and its tag, which may be empty.
func Image(name string) (repository, tag string) {
	i := strings.LastIndex(name, ":")
	if i < strings.LastIndex(name, "/") { // a registry's port
		return name, ""
	}
	return name[:i], name[i+1:]
}
