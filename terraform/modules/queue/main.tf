locals {
  # Spelled out: each queue names the other one, and each names itself in its policy.
  queue_arn       = "${var.arn_prefix}${var.name}"
  dead_letter_arn = "${var.arn_prefix}${var.name}-dlq"

  # SQS always drops a message after this; the longest it allows.
  fourteen_days_seconds = 1209600
  # Shorter than the above: a dead-letter message keeps the age it had in its first queue.
  four_days_seconds = 345600

  refuse_plain_http = {
    for arn in [local.queue_arn, local.dead_letter_arn] : arn => {
      Sid       = "RefusePlainHttp"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "sqs:*"
      Resource  = arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }
  }

  take_events_of_schedule = {
    Sid       = "TakeEventsOfTheSchedule"
    Effect    = "Allow"
    Principal = { Service = "events.amazonaws.com" }
    Action    = "sqs:SendMessage"
    Resource  = local.queue_arn
    Condition = { ArnLike = { "aws:SourceArn" = var.sender_rule_arns } }
  }
}

# Policies and redrive rules are attributes of the queues, not separate resources: the provider
# waits 25 s for each such resource, and one kind of them cannot be destroyed on LocalStack.
resource "aws_sqs_queue" "dead_letter" {
  name                      = "${var.name}-dlq"
  message_retention_seconds = local.fourteen_days_seconds
  sqs_managed_sse_enabled   = true
  policy                    = jsonencode({ Version = "2012-10-17", Statement = [local.refuse_plain_http[local.dead_letter_arn]] })

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arn]
  })
}

resource "aws_sqs_queue" "main" {
  name                       = var.name
  message_retention_seconds  = local.four_days_seconds
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  visibility_timeout_seconds = var.visibility_timeout_seconds

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [local.refuse_plain_http[local.queue_arn]],
      [for statement in [local.take_events_of_schedule] : statement if length(var.sender_rule_arns) > 0],
    )
  })

  redrive_policy = jsonencode({
    deadLetterTargetArn = local.dead_letter_arn

    # One more than the function works at: the last is for recording that its workers died.
    maxReceiveCount = var.maximum_receives + 1
  })

  # SQS refuses a redrive policy whose target does not exist.
  depends_on = [aws_sqs_queue.dead_letter]
}
