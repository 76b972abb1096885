# The bucket holds everything that cannot be made again without the source; without force_destroy
# S3 itself refuses to delete it while anything is in it, so `destroy` retains the data.
resource "aws_s3_bucket" "data" {
  #checkov:skip=CKV_AWS_18:only the roles of this deployment read it; who wants more has CloudTrail data events
  #checkov:skip=CKV_AWS_144:all of it can be made again from the source, and a copy abroad doubles the bill
  #checkov:skip=CKV_AWS_145:a key of one's own costs a fee each month and protects no better here than the key of AWS
  #checkov:skip=CKV2_AWS_62:stages tell each other by queue what they wrote
  bucket        = var.bucket_name
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_versioning" "data" {
  bucket = aws_s3_bucket.data.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "data" {
  bucket = aws_s3_bucket.data.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "data" {
  bucket = aws_s3_bucket.data.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "data" {
  bucket = aws_s3_bucket.data.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "RefusePlainHttp"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "s3:*"
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }
    ]
  })

  # S3 lets only one of these two change at a time.
  depends_on = [aws_s3_bucket_public_access_block.data]
}

# The provider waits about a minute for these rules to settle, so short-lived stacks leave them out.
resource "aws_s3_bucket_lifecycle_configuration" "data" {
  count = var.lifecycle_rules == null ? 0 : 1

  bucket = aws_s3_bucket.data.id

  rule {
    id     = "expire-old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.lifecycle_rules.noncurrent_version_days
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = var.lifecycle_rules.unfinished_upload_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.data]
}

# PK, SK and ttl are the names that LangGraph's DynamoDBSaver fixes.
resource "aws_dynamodb_table" "checkpoints" {
  #checkov:skip=CKV_AWS_119:a key of one's own costs a fee each month and protects no better here than the key of AWS
  name                        = var.table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "PK"
  range_key                   = "SK"
  deletion_protection_enabled = var.deletion_protection_enabled

  attribute {
    name = "PK"
    type = "S"
  }

  attribute {
    name = "SK"
    type = "S"
  }

  ttl {
    attribute_name = "ttl"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}
