package account

// PlanPolicy is the session policy of a plan: whatever the environment role may do, a session with this
// policy can only read, make and delete change sets, and call the kubectl function, which is asked for
// dry runs. AWS holds to it even where the provider's own code would not.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
const PlanPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":[` +
	`"cloudformation:Describe*","cloudformation:Get*","cloudformation:List*","cloudformation:TagResource",` +
	`"cloudformation:CreateChangeSet","cloudformation:DeleteChangeSet","lambda:InvokeFunction",` +
	`"autoscaling:Describe*","dynamodb:Describe*","ec2:Describe*","ec2:Get*","ecr:Describe*","ecr:List*",` +
	`"eks:Describe*","eks:List*","elasticloadbalancing:Describe*","iam:Get*","iam:List*","iam:Simulate*",` +
	`"kms:Describe*","kms:Get*","kms:List*","lambda:Get*","lambda:List*","logs:Describe*","logs:List*",` +
	`"s3:Get*","s3:List*","servicequotas:Get*","servicequotas:List*","ssm:Describe*","ssm:Get*","sts:Get*","tag:Get*"]}]}`
