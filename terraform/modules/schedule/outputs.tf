output "rules" {
  description = "The rule of each corpus."
  value = {
    for corpus, rule in aws_cloudwatch_event_rule.ingest : corpus => {
      name                = rule.name
      schedule_expression = rule.schedule_expression
      state               = rule.state
      input_template      = one(aws_cloudwatch_event_target.ingest[corpus].input_transformer[*].input_template)
    }
  }
}

output "dead_letter_url" {
  description = "URL of the queue for what could not be delivered."
  value       = aws_sqs_queue.dead_letter.url
}

output "dead_letter_name" {
  description = "Name of that queue."
  value       = aws_sqs_queue.dead_letter.name
}

output "dead_letter_policy" {
  description = "Policy of that queue, as JSON."
  value       = aws_sqs_queue.dead_letter.policy
}

output "maintenance_rules" {
  description = "The rule of each corpus for its index."
  value = {
    for corpus, rule in aws_cloudwatch_event_rule.maintenance : corpus => {
      name                = rule.name
      schedule_expression = rule.schedule_expression
      state               = rule.state
      input               = aws_cloudwatch_event_target.maintenance[corpus].input
      target_arn          = aws_cloudwatch_event_target.maintenance[corpus].arn
    }
  }
}
