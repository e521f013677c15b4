package environment

import (
	"fmt"
	"net/netip"
	"strings"
)

// privateBlocks are where a VPC may lie: RFC 1918, and RFC 6598 which EKS' documentation proposes
// when RFC 1918 is used up.
func privateBlocks() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("100.64.0.0/10"),
	}
}

// cidr checks the new VPC's block.
func cidr(doc document) []Violation {
	value, ok := doc.text("cidr")
	if !ok || doc["vpcConfiguration"] == VPCUseExisting {
		return nil
	}
	v := Violation{
		Pointer: "/cidr",
		Given:   given("", value),
		Allowed: fmt.Sprintf("an IPv4 block of /%d to /%d such as %s, without bits behind the prefix", largestBlock, smallestBlock, quote(DefaultCIDR)),
	}
	block, err := parseBlock(value)
	switch {
	case err != nil:
		if a, err := netip.ParseAddr(value); err == nil && a.Is4() {
			v.Hint = "did you mean " + quote(netip.PrefixFrom(a, smallestBlock).Masked().String()) + "?"
		}
	case block.Bits() < largestBlock || block.Bits() > smallestBlock:
		bits := min(max(block.Bits(), largestBlock), smallestBlock)
		v.Hint = "did you mean " + quote(netip.PrefixFrom(block.Addr(), bits).Masked().String()) + "?"
	case block != block.Masked():
		v.Hint = "did you mean " + quote(block.Masked().String()) + "?"
	case !within(block, privateBlocks()):
		v.Allowed = "a block within " + join(privateBlocks())
	default:
		return nil
	}
	return []Violation{v}
}

// maxPublicBlocks is EKS' quota of public access blocks for a cluster.
const maxPublicBlocks = 40

// publicAccess checks the blocks that may reach a public API.
func publicAccess(doc document) []Violation {
	value, ok := doc.text("apiAccessCidrs")
	if !ok {
		return nil
	}
	const pointer = "/apiAccessCidrs"
	if doc["apiAccess"] == APIPrivate {
		return []Violation{{
			Pointer: pointer, Given: given("", value) + " with apiAccess " + quote(APIPrivate),
			Allowed: "nothing, or apiAccess " + quote(APIPublicAndPrivate),
		}}
	}
	entries := splitList(value)
	if len(entries) == 0 || len(entries) > maxPublicBlocks {
		return []Violation{{
			Pointer: pointer, Given: fmt.Sprintf("%d blocks", len(entries)),
			Allowed: fmt.Sprintf("1 to %d blocks with commas between", maxPublicBlocks),
		}}
	}
	var all []Violation
	for _, entry := range entries {
		v := Violation{Pointer: pointer, Given: given("", entry), Allowed: "IPv4 blocks with commas between, such as \"203.0.113.0/24,198.51.100.7/32\""}
		block, err := parseBlock(entry)
		switch {
		case err != nil:
			if a, err := netip.ParseAddr(entry); err == nil && a.Is4() {
				v.Hint = "did you mean " + quote(entry+"/32") + "?"
			}
		case block != block.Masked():
			v.Hint = "did you mean " + quote(block.Masked().String()) + "?"
		case within(block, privateBlocks()):
			v.Allowed = "public IPv4 blocks: EKS refuses private ones here, and private addresses reach the API in any case"
		default:
			continue
		}
		all = append(all, v)
	}
	return all
}

// PublicAccessCIDRs returns the blocks of APIAccessCIDRs.
func (r Request) PublicAccessCIDRs() []string { return splitList(r.APIAccessCIDRs) }

// splitList returns what stands between the commas, without spaces and without empty entries.
func splitList(list string) []string {
	var all []string
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			all = append(all, entry)
		}
	}
	return all
}

// parseBlock reads an IPv4 block. Bits behind the prefix are kept, for the caller to see.
func parseBlock(text string) (netip.Prefix, error) {
	block, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("read block: %w", err)
	}
	if !block.Addr().Is4() {
		return netip.Prefix{}, fmt.Errorf("read block: %s is not IPv4", block)
	}
	return block, nil
}

// within reports whether block lies in one of the others.
func within(block netip.Prefix, others []netip.Prefix) bool {
	for _, o := range others {
		if o.Bits() <= block.Bits() && o.Contains(block.Addr()) {
			return true
		}
	}
	return false
}

func join(blocks []netip.Prefix) string {
	texts := make([]string, len(blocks))
	for i, b := range blocks {
		texts[i] = b.String()
	}
	return strings.Join(texts, ", ")
}
