output "id" {
  description = "Id of the API."
  value       = aws_api_gateway_rest_api.this.id
}

output "stage_name" {
  description = "Name of the stage."
  value       = aws_api_gateway_stage.this.stage_name
}

output "arn" {
  description = "ARN of the API."
  value       = aws_api_gateway_rest_api.this.arn
}

output "execution_arn" {
  description = "ARN by which permissions to call the API name it."
  value       = aws_api_gateway_rest_api.this.execution_arn
}

output "stage_arn" {
  description = "ARN of the stage, as a web application firewall names it."
  value       = aws_api_gateway_stage.this.arn
}

output "access_log_arn" {
  description = "ARN of the access log's group."
  value       = aws_cloudwatch_log_group.access.arn
}

output "url" {
  description = "Base URL on AWS."
  value       = aws_api_gateway_stage.this.invoke_url
}

output "key_id" {
  description = "Id of the API key."
  value       = aws_api_gateway_api_key.this.id
}

output "key_value" {
  description = "Value of the API key."
  value       = aws_api_gateway_api_key.this.value
  sensitive   = true
}

output "methods" {
  description = "Method, path and whether a key is needed, of each route."
  value = {
    for name, method in aws_api_gateway_method.route : name => {
      method       = method.http_method
      path         = aws_api_gateway_resource.route[var.routes[name].path].path_part
      key_required = method.api_key_required
      integration  = aws_api_gateway_integration.route[name].type
      timeout_ms   = aws_api_gateway_integration.route[name].timeout_milliseconds
      uri          = aws_api_gateway_integration.route[name].uri
      invokes      = join(":", compact([aws_lambda_permission.route[name].function_name, aws_lambda_permission.route[name].qualifier]))
    }
  }
}

output "throttle" {
  description = "Limits of the usage plan and of the stage."
  value = {
    plan_rate_per_second  = one(aws_api_gateway_usage_plan.this.throttle_settings[*].rate_limit)
    plan_burst            = one(aws_api_gateway_usage_plan.this.throttle_settings[*].burst_limit)
    plan_requests_per_day = one(aws_api_gateway_usage_plan.this.quota_settings[*].limit)
    stage_rate_per_second = one(aws_api_gateway_method_settings.all.settings[*].throttling_rate_limit)
    stage_burst           = one(aws_api_gateway_method_settings.all.settings[*].throttling_burst_limit)
  }
}

output "open_throttle" {
  description = "Limits of each method that needs no key, by its path and method."
  value = {
    for settings in aws_api_gateway_method_settings.open : settings.method_path => {
      rate_per_second = one(settings.settings[*].throttling_rate_limit)
      burst           = one(settings.settings[*].throttling_burst_limit)
    }
  }
}

output "access_log" {
  description = "Format and retention of the access log."
  value = {
    format         = one(aws_api_gateway_stage.this.access_log_settings[*].format)
    retention_days = aws_cloudwatch_log_group.access.retention_in_days
  }
}

output "execution_logging_level" {
  description = "Level of the execution log."
  value       = one(aws_api_gateway_method_settings.all.settings[*].logging_level)
}

output "problem_statuses" {
  description = "Status of each error that API Gateway answers itself; null keeps the error's own."
  value       = { for type, response in aws_api_gateway_gateway_response.problem : type => response.status_code }
}
