package loadbalancer

// registryAccount is the account of the image registry that EKS keeps in a region
// (https://docs.aws.amazon.com/eks/latest/userguide/add-ons-images.html).
func registryAccount(region string) string {
	switch region {
	case "af-south-1":
		return "877085696533"
	case "ap-east-1":
		return "800184023465"
	case "ap-south-2":
		return "900889452093"
	case "ap-southeast-3":
		return "296578399912"
	case "ap-southeast-4":
		return "491585149902"
	case "eu-central-2":
		return "900612956339"
	case "eu-south-1":
		return "590381155156"
	case "eu-south-2":
		return "455263428931"
	case "me-central-1":
		return "759879836304"
	case "me-south-1":
		return "558608220178"
	default:
		return "602401143452"
	}
}

// registry is EKS' own image registry in a region.
func registry(region string) string {
	return registryAccount(region) + ".dkr.ecr." + region + ".amazonaws.com"
}
