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
  description = "Receives after which a message goes to the dead-letter queue."
  value       = var.maximum_receives
}

output "policy" {
  description = "Policy of the queue, as JSON."
  value       = aws_sqs_queue.main.policy
}
