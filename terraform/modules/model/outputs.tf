output "identity" {
  description = "Id, revision and dims of the model."
  value       = local.identity
}

output "prefix" {
  description = "Where the model's files lie in the bucket; ends with a slash."
  value       = local.prefix
}

output "object_keys" {
  description = "Keys of the uploaded files."
  value       = [for object in aws_s3_object.file : object.key]
}
