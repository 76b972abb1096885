# Private subnets without any route to the internet: the functions in them reach S3 and DynamoDB
# through gateway endpoints, which cost nothing, and the rest through interface endpoints.
data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:the first zones by name are taken, so that one configuration serves every region
  state = "available"

  # No local zones: gateway endpoints and functions are not to be had in them.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  zones = slice(data.aws_availability_zones.available.names, 0, var.zone_count)

  gateway_endpoints = {
    s3 = {
      actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:ListBucket"]
      resources = [var.bucket_arn, "${var.bucket_arn}/*"]
    }
    dynamodb = {
      actions = [
        "dynamodb:BatchGetItem", "dynamodb:DeleteItem",
        "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
      ]
      resources = [var.table_arn]
    }
  }
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:the subnets have no route out and nothing listens in them; a flow log costs and would show the endpoints only
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name_prefix }
}

resource "aws_subnet" "private" {
  for_each = { for index, zone in local.zones : zone => index }

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 4, each.value)

  tags = { Name = "${var.name_prefix}-private-${each.key}" }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name_prefix}-private" }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private.id
}

resource "aws_vpc_endpoint" "gateway" {
  for_each = local.gateway_endpoints

  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${var.region}.${each.key}"
  route_table_ids   = [aws_route_table.private.id]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyWhatIsOurs"
        Effect    = "Allow"
        Principal = { AWS = "*" }
        Action    = each.value.actions
        Resource  = each.value.resources
      }
    ]
  })

  tags = { Name = "${var.name_prefix}-${each.key}" }
}

resource "aws_security_group" "function" {
  #checkov:skip=CKV2_AWS_5:the functions take it, through a variable that the check does not follow
  name        = "${var.name_prefix}-function"
  description = "Functions: out to the endpoints over TLS, nothing in."
  vpc_id      = aws_vpc.this.id
}

# What AWS puts everything into that names no group: with no rule it lets nothing through.
resource "aws_default_security_group" "nothing" {
  vpc_id = aws_vpc.this.id
}

resource "aws_security_group" "endpoint" {
  name        = "${var.name_prefix}-endpoint"
  description = "Interface endpoints: in from the functions over TLS."
  vpc_id      = aws_vpc.this.id
}

# To any address, but the subnets have routes to the endpoints only.
resource "aws_vpc_security_group_egress_rule" "tls" {
  security_group_id = aws_security_group.function.id
  description       = "To the endpoints"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "from_function" {
  security_group_id            = aws_security_group.endpoint.id
  description                  = "From the functions"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.function.id
}

resource "aws_vpc_endpoint" "interface" {
  for_each = var.interface_services

  vpc_id              = aws_vpc.this.id
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoint.id]
  private_dns_enabled = true

  tags = { Name = "${var.name_prefix}-${each.key}" }
}
