output "topic_arn" {
  description = "ARN of the topic."
  value       = aws_sns_topic.alarms.arn
}

output "emails" {
  description = "Addresses that are subscribed."
  value       = [for subscription in aws_sns_topic_subscription.email : subscription.endpoint]
}

output "budget" {
  description = "What the budget counts, and when it sends an e-mail."
  value = [
    for budget in aws_budgets_budget.monthly : {
      limit   = budget.limit_amount
      filters = { for filter in budget.cost_filter : filter.name => filter.values }
      shares  = { for notification in budget.notification : notification.notification_type => notification.threshold }
    }
  ]
}
