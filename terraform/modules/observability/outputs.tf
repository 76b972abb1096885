output "alarm_arns" {
  description = "ARN of each alarm."
  value       = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.arn }
}

output "alarms" {
  description = "Metric, dimensions and threshold of each alarm."
  value = {
    for name, alarm in aws_cloudwatch_metric_alarm.this : name => {
      metric     = alarm.metric_name
      dimensions = alarm.dimensions
      threshold  = alarm.threshold
      actions    = alarm.alarm_actions
    }
  }
}
