output "name" {
  description = "Name of the queue."
  value       = aws_sqs_queue.main.name
}

output "url" {
  description = "URL of the queue."
  value       = aws_sqs_queue.main.url
}

output "arn" {
  description = "ARN of the queue, once it exists."
  value       = aws_sqs_queue.main.arn
}

output "dead_letter_arn" {
  description = "ARN of the dead-letter queue, once it exists."
  value       = aws_sqs_queue.dead_letter.arn
}

output "dead_letter_name" {
  description = "Name of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.name
}

output "dead_letter_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.url
}

output "visibility_timeout_seconds" {
  description = "How long a received message stays hidden."
  value       = aws_sqs_queue.main.visibility_timeout_seconds
}

output "maximum_receives" {
  description = "Receives at which a message is worked on."
  value       = var.maximum_receives
}

output "maximum_receive_count" {
  description = "Receives after which SQS moves a message to the dead-letter queue."
  value       = jsondecode(aws_sqs_queue.main.redrive_policy).maxReceiveCount
}

output "policy" {
  description = "Policy of the queue, as JSON."
  value       = aws_sqs_queue.main.policy
}
