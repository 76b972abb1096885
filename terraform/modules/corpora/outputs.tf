output "corpora" {
  description = "The corpora, once nothing is wrong with them."
  value       = var.corpora

  precondition {
    condition     = length(module.check.problems) == 0
    error_message = "The variable corpora is wrong: ${join("; ", module.check.problems)}."
  }
}

output "parameter_names" {
  description = "SSM parameter of each corpus."
  value       = { for name, parameter in aws_ssm_parameter.corpus : name => parameter.name }
}

output "parameter_arns" {
  description = "ARN of each corpus's parameter."
  value       = { for name, parameter in aws_ssm_parameter.corpus : name => parameter.arn }
}

output "parameter_values" {
  description = "The stored document of each corpus, as JSON."
  value       = { for name, parameter in aws_ssm_parameter.corpus : name => parameter.insecure_value }
}

output "secret_arns" {
  description = "ARN of each source secret."
  value       = { for name, secret in aws_secretsmanager_secret.source : name => secret.arn }
}

output "secrets_with_a_value" {
  description = "Names of the secrets that this configuration gave a value."
  value       = keys(aws_secretsmanager_secret_version.source)
}
