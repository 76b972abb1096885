output "arn" {
  description = "ARN of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_arn
}

output "url" {
  description = "Where the dashboard is shown."
  value       = "https://console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${var.name_prefix}-${var.region}"
}

output "widgets" {
  description = "Title and metrics of each widget that shows metrics."
  value       = { for name, widget in local.metric_widgets : name => { title = widget.title, metrics = widget.metrics } }
}

output "saved_queries" {
  description = "Log groups and text of each saved query."
  value       = { for name, query in aws_cloudwatch_query_definition.this : name => { groups = query.log_group_names, text = query.query_string } }
}
