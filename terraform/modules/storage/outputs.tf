output "bucket_name" {
  description = "Name of the bucket, once it keeps versions and refuses the public."
  value       = aws_s3_bucket.data.id

  depends_on = [
    aws_s3_bucket_versioning.data,
    aws_s3_bucket_public_access_block.data,
    aws_s3_bucket_server_side_encryption_configuration.data,
  ]
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.data.arn
}

output "table_arn" {
  description = "ARN of the table."
  value       = aws_dynamodb_table.checkpoints.arn
}

output "table_name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.checkpoints.name
}

output "policy" {
  description = "The bucket's policy, as JSON."
  value       = aws_s3_bucket_policy.data.policy
}
