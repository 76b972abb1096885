data "aws_partition" "current" {}

locals {
  write_own_log = {
    Sid      = "WriteOwnLog"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = ["${var.log_group_arn}:*"]
  }

  # X-Ray and the network interfaces of a VPC know no resources: whoever may use them may use them
  # on `*`. So they are left to AWS's own managed policies, and only where they are switched on.
  managed_policies = merge(
    var.tracing_enabled ? { tracing = "AWSXRayDaemonWriteAccess" } : {},
    var.vpc == null ? {} : { network = "service-role/AWSLambdaVPCAccessExecutionRole" },
  )
}

resource "aws_iam_role" "this" {
  name                 = "${var.name}-${var.region}"
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "Role of the function ${var.name} alone."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "lambda.amazonaws.com" }
        Action    = "sts:AssumeRole"
      }
    ]
  })

  # IAM has one name space for all regions. A role that an earlier release named without its region
  # keeps its name: another name would be another role, while functions run under this one.
  lifecycle {
    ignore_changes = [name]
  }
}

resource "aws_iam_role_policy" "this" {
  name = var.name
  role = aws_iam_role.this.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for statement in concat([local.write_own_log], var.statements) : merge(
        { Effect = "Allow" },
        { for key, value in statement : key => value if value != null },
      )
    ]
  })
}

resource "aws_iam_role_policy_attachment" "managed" {
  for_each = local.managed_policies

  role       = aws_iam_role.this.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/${each.value}"
}

# Made before the function: Lambda would make one that keeps everything for ever.
resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:a key of one's own costs a fee each month and protects no better here than the key of AWS
  #checkov:skip=CKV_AWS_338:the retention is a variable, for operators know what they must keep
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

# The key is the content: an unchanged build plans no change.
resource "aws_s3_object" "zip" {
  bucket = var.bucket_name
  key    = "artifacts/functions/${replace(replace(trimsuffix(var.zip.sha256_base64, "="), "/", "_"), "+", "-")}.zip"
  source = var.zip.path

  # S3 keeps at most ten tags of an object, and these say nothing that the bucket's do not.
  override_provider {
    default_tags {
      tags = {}
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_173:the variables hold names and numbers, and no secret
  #checkov:skip=CKV_AWS_272:the plan names the sha256 of each zip, which is built reproducibly from this repository
  function_name                  = var.name
  description                    = var.description
  role                           = aws_iam_role.this.arn
  handler                        = var.handler
  runtime                        = var.runtime
  architectures                  = [var.architecture]
  s3_bucket                      = aws_s3_object.zip.bucket
  s3_key                         = aws_s3_object.zip.key
  source_code_hash               = var.zip.sha256_base64
  layers                         = var.layer_arns
  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = coalesce(var.reserved_concurrency, -1)
  publish                        = var.snap_start_alias != null

  environment {
    variables = var.environment
  }

  ephemeral_storage {
    size = var.ephemeral_storage_mb
  }

  tracing_config {
    mode = var.tracing_enabled ? "Active" : "PassThrough"
  }

  dynamic "snap_start" {
    for_each = var.snap_start_alias == null ? [] : ["PublishedVersions"]

    content {
      apply_on = snap_start.value
    }
  }

  dynamic "dead_letter_config" {
    for_each = var.dead_letter_arn == null ? [] : [var.dead_letter_arn]

    content {
      target_arn = dead_letter_config.value
    }
  }

  dynamic "vpc_config" {
    for_each = var.vpc == null ? [] : [var.vpc]

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  # Lambda checks at creation that the role may do what the configuration asks for.
  depends_on = [
    aws_cloudwatch_log_group.this,
    aws_iam_role_policy.this,
    aws_iam_role_policy_attachment.managed,
  ]
}

resource "aws_lambda_alias" "snap_start" {
  for_each = toset(compact([var.snap_start_alias]))

  name             = each.key
  description      = "The version that callers use."
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_lambda_event_source_mapping" "queue" {
  for_each = var.event_source == null ? {} : { queue = var.event_source }

  function_name                      = aws_lambda_function.this.arn
  event_source_arn                   = each.value.queue_arn
  batch_size                         = each.value.batch_size
  maximum_batching_window_in_seconds = each.value.maximum_batching_window_seconds
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = each.value.maximum_concurrency
  }

  # `ultron stage pause` switches a mapping off, and no apply shall switch it on behind one's back.
  lifecycle {
    ignore_changes = [enabled]
  }
}
