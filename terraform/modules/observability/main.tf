locals {
  dead_letters = {
    for name in var.dead_letter_queue_names : "${name}-not-empty" => {
      description = "Messages were given up. `ultron dlq list` says why; remove the cause, then `ultron dlq redrive STAGE --all`."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = name }
      statistic   = "Maximum"
      percentile  = null
      threshold   = 0
      periods     = 1
    }
  }

  waiting = {
    for name in var.queue_names : "${name}-waits" => {
      description = "Messages wait longer than they should. `ultron stage list` says whether the stage is paused; else raise its maximum_concurrency in function_settings."
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = name }
      statistic   = "Maximum"
      percentile  = null
      threshold   = var.oldest_message_seconds
      periods     = 3
    }
  }

  errors = {
    for name in keys(var.function_timeouts_seconds) : "${name}-errors" => {
      description = "Invocations ended in an error. Read the function's log group; messages of a batch are delivered again without help."
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = { FunctionName = name }
      statistic   = "Sum"
      percentile  = null
      threshold   = 0
      periods     = 1
    }
  }

  throttles = {
    for name in keys(var.function_timeouts_seconds) : "${name}-throttles" => {
      description = "Invocations were refused: the concurrency is used up. Raise reserved_concurrency in function_settings or the account's quota."
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      dimensions  = { FunctionName = name }
      statistic   = "Sum"
      percentile  = null
      threshold   = 0
      periods     = 3
    }
  }

  durations = {
    for name, timeout_seconds in var.function_timeouts_seconds : "${name}-p95-duration" => {
      description = "The slowest twentieth of the invocations comes near the timeout. Raise timeout_seconds or memory_mb in function_settings, or lower batch_size."
      namespace   = "AWS/Lambda"
      metric      = "Duration"
      dimensions  = { FunctionName = name }
      statistic   = null
      percentile  = "p95"
      threshold   = floor(timeout_seconds * 1000 * var.duration_share)
      periods     = 3
    }
  }

  api_errors = {
    "${var.name_prefix}-api-5xx" = {
      description = "The API answered with server errors. The logs of retrieve and orchestrator have the request id of each answer."
      namespace   = "AWS/ApiGateway"
      metric      = "5XXError"
      dimensions  = { ApiName = var.api.name, Stage = var.api.stage }
      statistic   = "Sum"
      percentile  = null
      threshold   = 0
      periods     = 1
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = merge(
    local.dead_letters, local.waiting, local.errors, local.throttles, local.durations, local.api_errors,
  )

  alarm_name          = each.key
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  extended_statistic  = each.value.percentile
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = each.value.periods
  # An idle system sends no figures, and is well.
  treat_missing_data = "notBreaching"
  alarm_actions      = var.action_arns
  ok_actions         = var.action_arns
}
