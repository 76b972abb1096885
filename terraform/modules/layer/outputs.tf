output "arn" {
  description = "ARN of this version of the layer."
  value       = aws_lambda_layer_version.this.arn
}

output "object_key" {
  description = "Where the zip lies in the bucket."
  value       = aws_s3_object.zip.key
}
