# The role by which API Gateway writes access logs: one for all APIs of an account in a region, so no
# deployment has it. Look first whether there is one, as this would take its place:
#   aws apigateway get-account --query cloudwatchRoleArn

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.expected_account_id]

  default_tags {
    tags = var.tags
  }
}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# Every API of the region would lose its access logs with it, also those of others.
resource "aws_iam_role" "log" {
  name                 = coalesce(var.role_name, "api-gateway-log-${data.aws_region.current.id}")
  description          = "Lets API Gateway write logs."
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "apigateway.amazonaws.com" }
        Action    = "sts:AssumeRole"
      }
    ]
  })

  lifecycle {
    prevent_destroy = true
  }
}

# API Gateway accepts the role only with these rights on all log groups, so AWS's own policy it is.
resource "aws_iam_role_policy_attachment" "log" {
  role       = aws_iam_role.log.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_api_gateway_account" "this" {
  cloudwatch_role_arn = aws_iam_role.log.arn

  depends_on = [aws_iam_role_policy_attachment.log]

  lifecycle {
    prevent_destroy = true
  }
}
