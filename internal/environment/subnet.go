package environment

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// The sizes a VPC's block may have. AWS allows /16 to /28; below /24 the subnets would be smaller
// than the /27 with 8 free addresses that a load balancer needs.
const (
	largestBlock  = 16
	smallestBlock = 24
)

// Subnets divides a VPC's block into one public and one private subnet for each of 2 or 3 zones.
//
// Nodes and pods live in the private subnets, so from /23 upwards each private subnet gets a
// quarter of the block and the public ones share the last quarter. A /24 is too small for that
// and is divided equally, as Harmonix does (harmonix-contract.md, section 2.3): six /27, or
// four /26 with two zones, public first.
func Subnets(block netip.Prefix, zones int) (public, private []netip.Prefix, err error) {
	if zones != 2 && zones != 3 {
		return nil, nil, fmt.Errorf("divide %s: %d zones, allowed are 2 and 3", block, zones)
	}
	if !block.IsValid() || !block.Addr().Is4() || block != block.Masked() ||
		block.Bits() < largestBlock || block.Bits() > smallestBlock {
		return nil, nil, fmt.Errorf("divide %s: not an IPv4 block of /%d to /%d", block, largestBlock, smallestBlock)
	}
	if block.Bits() == smallestBlock {
		bits := 2
		if zones == 3 {
			bits = 3
		}
		return parts(block, bits, 0, zones), parts(block, bits, zones, zones), nil
	}
	lastQuarter := part(block, 2, 3)
	return parts(lastQuarter, 2, 0, zones), parts(block, 2, 0, zones), nil
}

// parts returns count parts of block, from the one numbered first on.
func parts(block netip.Prefix, bits, first, count int) []netip.Prefix {
	var all []netip.Prefix
	for i := range count {
		all = append(all, part(block, bits, first+i))
	}
	return all
}

// part returns the part with the given number of block's division into 2^bits equal parts.
func part(block netip.Prefix, bits, number int) netip.Prefix {
	length := block.Bits() + bits
	start := block.Addr().As4()
	address := binary.BigEndian.Uint32(start[:]) | uint32(number)<<(32-length) //nolint:gosec // number < 8
	var bytes [4]byte
	binary.BigEndian.PutUint32(bytes[:], address)
	return netip.PrefixFrom(netip.AddrFrom4(bytes), length)
}
