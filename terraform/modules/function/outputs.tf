output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "Name of the function's role."
  value       = aws_iam_role.this.name
}

output "log_group_name" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "log_group_arn" {
  description = "ARN of the function's log group."
  value       = aws_cloudwatch_log_group.this.arn
}

output "permissions_boundary_arn" {
  description = "Policy that bounds the role; null for none."
  value       = aws_iam_role.this.permissions_boundary
}

output "role_path" {
  description = "Path of the role."
  value       = aws_iam_role.this.path
}

output "invoke_arn" {
  description = "ARN by which API Gateway invokes the function, or its alias where it has one."
  value       = try(one(values(aws_lambda_alias.snap_start)).invoke_arn, aws_lambda_function.this.invoke_arn)
}

output "timeout_seconds" {
  description = "Longest time one invocation may take."
  value       = aws_lambda_function.this.timeout
}

output "policy" {
  description = "The role's own policy, as JSON."
  value       = aws_iam_role_policy.this.policy
}

output "managed_policies" {
  description = "AWS's managed policies that the role has besides."
  value       = [for attachment in aws_iam_role_policy_attachment.managed : attachment.policy_arn]
}

output "configuration" {
  description = "What Lambda runs, for those who check it."
  value = {
    architectures        = aws_lambda_function.this.architectures
    runtime              = aws_lambda_function.this.runtime
    handler              = aws_lambda_function.this.handler
    memory_mb            = aws_lambda_function.this.memory_size
    ephemeral_storage_mb = one(aws_lambda_function.this.ephemeral_storage[*].size)
    reserved_concurrency = aws_lambda_function.this.reserved_concurrent_executions
    tracing_mode         = one(aws_lambda_function.this.tracing_config[*].mode)
    environment          = one(aws_lambda_function.this.environment[*].variables)
    layers               = aws_lambda_function.this.layers
    publish              = aws_lambda_function.this.publish
    snap_start           = one(aws_lambda_function.this.snap_start[*].apply_on)
    log_retention_days   = aws_cloudwatch_log_group.this.retention_in_days
  }
}

output "event_source" {
  description = "The mapping from the queue; null for none."
  value = one([
    for mapping in aws_lambda_event_source_mapping.queue : {
      batch_size                      = mapping.batch_size
      maximum_batching_window_seconds = mapping.maximum_batching_window_in_seconds
      function_response_types         = mapping.function_response_types
      maximum_concurrency             = one(mapping.scaling_config[*].maximum_concurrency)
    }
  ])
}

output "alias" {
  description = "The alias that starts from a snapshot; null for none."
  value = one([
    for alias in values(aws_lambda_alias.snap_start) : { name = alias.name, version = alias.function_version }
  ])
}
