output "rules" {
  description = "The rules for runs, by their name without the deployment's prefix."
  value = {
    for name, rule in aws_cloudwatch_event_rule.run : name => {
      name                = rule.name
      schedule_expression = rule.schedule_expression
      state               = rule.state
      tags                = rule.tags
      input_template      = one(aws_cloudwatch_event_target.run[name].input_transformer[*].input_template)
    }
  }
}

output "rule_arns" {
  description = "ARN of each rule, for runs and for maintenance."
  value = merge(
    { for name, rule in aws_cloudwatch_event_rule.run : name => rule.arn },
    { for corpus, rule in aws_cloudwatch_event_rule.maintenance : "upkeep-${corpus}" => rule.arn },
  )
}

output "rule_permissions" {
  description = "Which rules may invoke the function, by mode."
  value       = { for mode, permission in aws_lambda_permission.run : mode => permission.source_arn }
}

output "dead_letter_url" {
  description = "URL of the queue for what could not be delivered."
  value       = aws_sqs_queue.dead_letter.url
}

output "dead_letter_arn" {
  description = "ARN of that queue."
  value       = local.dead_letter_arn
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
      tags                = rule.tags
      input               = aws_cloudwatch_event_target.maintenance[corpus].input
      target_arn          = aws_cloudwatch_event_target.maintenance[corpus].arn
    }
  }
}
