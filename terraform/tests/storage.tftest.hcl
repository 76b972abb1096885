# The bucket, the table, and how data is kept.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  bucket_name                 = "ultron-embeddings-123456789012"
  table_name                  = "ultron-checkpoints"
  force_destroy               = false
  deletion_protection_enabled = true
  lifecycle_rules             = { noncurrent_version_days = 30, unfinished_upload_days = 7 }
}

run "storage" {
  module {
    source = "./modules/storage"
  }

  # Bucket.

  assert {
    condition     = aws_s3_bucket_versioning.data.versioning_configuration[0].status == "Enabled"
    error_message = "The bucket keeps versions."
  }

  assert {
    condition = one([
      for rule in aws_s3_bucket_server_side_encryption_configuration.data.rule : rule.apply_server_side_encryption_by_default[0].sse_algorithm
    ]) == "AES256"
    error_message = "Objects are encrypted."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.data.block_public_acls,
      aws_s3_bucket_public_access_block.data.block_public_policy,
      aws_s3_bucket_public_access_block.data.ignore_public_acls,
      aws_s3_bucket_public_access_block.data.restrict_public_buckets,
    ])
    error_message = "Nothing in the bucket can be made public."
  }

  assert {
    condition = jsondecode(output.policy).Statement == [
      {
        Sid       = "RefusePlainHttp"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::ultron-embeddings-123456789012", "arn:aws:s3:::ultron-embeddings-123456789012/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }
    ]
    error_message = "The bucket refuses plain HTTP, and its policy allows nobody anything."
  }

  assert {
    condition     = aws_s3_bucket.data.force_destroy == false
    error_message = "A bucket with objects survives `destroy`."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.data[0].rule[0].noncurrent_version_expiration[0].noncurrent_days == 30
    error_message = "Old versions go in the end."
  }

  # Table.

  assert {
    condition     = aws_dynamodb_table.checkpoints.point_in_time_recovery[0].enabled
    error_message = "The table can be restored to any second."
  }

  assert {
    condition     = aws_dynamodb_table.checkpoints.server_side_encryption[0].enabled
    error_message = "The table is encrypted with a key of the account."
  }

  assert {
    condition     = aws_dynamodb_table.checkpoints.billing_mode == "PAY_PER_REQUEST"
    error_message = "An idle table costs nothing."
  }

  assert {
    condition     = aws_dynamodb_table.checkpoints.hash_key == "PK" && aws_dynamodb_table.checkpoints.range_key == "SK"
    error_message = "The keys are those that LangGraph's saver fixes."
  }

  assert {
    condition     = aws_dynamodb_table.checkpoints.ttl[0].enabled && aws_dynamodb_table.checkpoints.ttl[0].attribute_name == "ttl"
    error_message = "Sessions and failures expire."
  }

  assert {
    condition     = aws_dynamodb_table.checkpoints.deletion_protection_enabled
    error_message = "The table cannot be deleted by mistake."
  }
}

run "without_lifecycle_rules" {
  command = plan

  module {
    source = "./modules/storage"
  }

  variables {
    lifecycle_rules = null
  }

  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.data) == 0
    error_message = "A short-lived stack can leave the rules out."
  }
}
