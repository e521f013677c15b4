package templates_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
)

func TestLaunchTemplate(t *testing.T) {
	volume := func(size any) map[string]any {
		v := map[string]any{"VolumeType": "gp3", "Encrypted": true, "DeleteOnTermination": true}
		if size != nil {
			v["VolumeSize"] = size
		}
		return v
	}
	cases := map[string]struct {
		reason string
		device string
		want   []any
	}{
		"AL2023": {
			reason: "one disk for everything", device: "/dev/xvda",
			want: []any{map[string]any{"DeviceName": "/dev/xvda", "Ebs": volume("50")}},
		},
		"Bottlerocket": {
			reason: "the size is that of the data volume, the root keeps its own", device: "/dev/xvdb",
			want: []any{
				map[string]any{"DeviceName": "/dev/xvdb", "Ebs": volume("50")},
				map[string]any{"DeviceName": "/dev/xvda", "Ebs": volume(nil)},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := deploy(t, templates.CapacityManaged, map[string]string{"DiskDevice": tc.device, "DiskSize": "50", "InstanceType": "m5.large"})
			data := s.resources()["LaunchTemplate"].Properties["LaunchTemplateData"].(map[string]any)
			if diff := cmp.Diff(tc.want, data["BlockDeviceMappings"]); diff != "" {
				t.Errorf("%s: disks (-want +got):\n%s", tc.reason, diff)
			}
			metadata := map[string]any{"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 2.0, "InstanceMetadataTags": "disabled"}
			if diff := cmp.Diff(metadata, data["MetadataOptions"]); diff != "" {
				t.Errorf("metadata service (-want +got):\n%s", diff)
			}
			// Rows 1.26 and 1.27: what EKS refuses beside a node group, and what keeps the nodes out of the cluster.
			for _, name := range []string{"SecurityGroupIds", "SecurityGroups", "NetworkInterfaces", "IamInstanceProfile", "ImageId", "UserData", "KeyName"} {
				if v, ok := data[name]; ok {
					t.Errorf("%s: got %v, want none", name, v)
				}
			}
		})
	}
}

// Everything create-only is pinned: another value is another node group (aws-traps.md, row 1.23).
func TestNodeGroup(t *testing.T) {
	cases := map[string]struct {
		reason string
		values map[string]string
		// group is what the node group has besides what all have, instance the launch template's type.
		group    map[string]any
		instance any
	}{
		"One": {
			reason: "a single instance type is the launch template's",
			values: map[string]string{"InstanceType": "m5.large", "MaxUnavailable": "1"},
			group:  map[string]any{"UpdateConfig": map[string]any{"MaxUnavailable": "1"}}, instance: "m5.large",
		},
		"Several": {
			reason: "several are the group's, and in one place only (row 1.26)",
			values: map[string]string{"InstanceTypes": "m7g.large,m6g.large", "MaxUnavailablePercentage": "33"},
			group:  map[string]any{"InstanceTypes": []any{"m7g.large", "m6g.large"}, "UpdateConfig": map[string]any{"MaxUnavailablePercentage": "33"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			values := map[string]string{"Prefix": "opa", "Name": "dev", "SubnetIds": "subnet-3,subnet-4", "MinSize": "1", "DesiredSize": "2", "MaxSize": "3"}
			maps.Copy(values, tc.values)
			made := deploy(t, templates.CapacityManaged, values).resources()
			want := map[string]any{
				"ClusterName": "opa-dev-cluster", "NodeRole": "{NodeRoleArn}", "Subnets": []any{"subnet-3", "subnet-4"},
				"AmiType": "{AmiType}", "CapacityType": "{CapacityType}",
				"Version":        "{KubernetesVersion}",
				"ScalingConfig":  map[string]any{"MinSize": "1", "DesiredSize": "2", "MaxSize": "3"},
				"LaunchTemplate": map[string]any{"Id": "{LaunchTemplate}", "Version": "{LaunchTemplate.LatestVersionNumber}"},
			}
			maps.Copy(want, tc.group)
			// Not there: a name, which a replacement would collide with; a disk size beside the launch
			// template's (row 1.26); remote access, whose group EKS cannot delete (row 1.33).
			if diff := cmp.Diff(want, made["NodeGroup"].Properties); diff != "" {
				t.Errorf("%s: node group (-want +got):\n%s", tc.reason, diff)
			}
			data := made["LaunchTemplate"].Properties["LaunchTemplateData"].(map[string]any)
			if data["InstanceType"] != tc.instance {
				t.Errorf("%s: instance type of the launch template %v, want %v", tc.reason, data["InstanceType"], tc.instance)
			}
		})
	}
}

func TestFargateProfile(t *testing.T) {
	s := deploy(t, templates.CapacityFargate, map[string]string{"Prefix": "opa", "Name": "dev", "SubnetIds": "subnet-3,subnet-4"})
	namespace := func(name string) map[string]any { return map[string]any{"Namespace": name} }
	want := map[string]any{
		"ClusterName": "opa-dev-cluster", "PodExecutionRoleArn": "{PodExecutionRoleArn}", "Subnets": []any{"subnet-3", "subnet-4"},
		"Selectors": []any{namespace("kube-system"), namespace("default"), namespace("*")},
	}
	if diff := cmp.Diff(want, s.resources()["Profile"].Properties); diff != "" {
		t.Errorf("profile (-want +got):\n%s", diff)
	}
}

// Row 1.34: one profile at a time is made and deleted, so a second one would have to depend on the first.
func TestFargateProfilesAreSerial(t *testing.T) {
	var profiles []string
	for id, r := range parse(t, templates.CapacityFargate).Resources {
		if r.Type == "AWS::EKS::FargateProfile" {
			profiles = append(profiles, id)
		}
	}
	if !slices.Equal(profiles, []string{"Profile"}) {
		t.Errorf("got %v: chain them with DependsOn and change this test", profiles)
	}
}
