output "log_role_arn" {
  description = "ARN of the role by which API Gateway writes access logs."
  value       = aws_iam_role.log.arn
}
