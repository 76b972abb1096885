# What is set once an account and region, beside all deployments.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "log_role_of_api_gateway" {
  command = plan

  module {
    source = "./account"
  }

  variables {
    expected_account_id = "123456789012"
  }

  assert {
    condition     = aws_iam_role.log.name == "api-gateway-log-eu-west-1"
    error_message = "The role is named after its region, as roles are known in all regions."
  }

  assert {
    condition     = jsondecode(aws_iam_role.log.assume_role_policy).Statement[0].Principal == { Service = "apigateway.amazonaws.com" }
    error_message = "Only API Gateway takes the role on."
  }

  assert {
    condition     = endswith(aws_iam_role_policy_attachment.log.policy_arn, "AmazonAPIGatewayPushToCloudWatchLogs")
    error_message = "It may write logs."
  }
}
