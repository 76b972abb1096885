locals {
  dead_letter_arn = "${var.queue_arn_prefix}${var.dead_letter_name}"
  rule_names      = { for corpus in var.corpus_names : corpus => "${var.name_prefix}-ingest-${corpus}" }
}

# Events that EventBridge could not deliver, and invocations that Lambda gave up.
resource "aws_sqs_queue" "dead_letter" {
  name                      = var.dead_letter_name
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "RefusePlainHttp"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "sqs:*"
        Resource  = local.dead_letter_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "TakeEventsOfTheSchedule"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.dead_letter_arn
        Condition = {
          ArnEquals = {
            "aws:SourceArn" = [
              for name in concat(values(local.rule_names), values(var.maintenance.rule_names)) : "${var.rule_arn_prefix}${name}"
            ]
          }
        }
      },
    ]
  })
}

resource "aws_cloudwatch_event_rule" "ingest" {
  for_each = local.rule_names

  name                = each.value
  description         = "Ingests what is new in the corpus ${each.key}."
  schedule_expression = var.schedule_expression
  state               = var.enabled ? "ENABLED" : "DISABLED"
}

resource "aws_cloudwatch_event_target" "ingest" {
  for_each = local.rule_names

  rule      = aws_cloudwatch_event_rule.ingest[each.key].name
  target_id = "ingest"
  arn       = var.function_arn

  # The event's id and time make the run's id: an event delivered twice, even after its run has
  # ended, starts one run. The template is no jsonencode(), which would escape the angle brackets.
  input_transformer {
    input_paths    = { request_id = "$.id", time = "$.time" }
    input_template = "{\"corpus\": \"${each.key}\", \"mode\": \"incremental\", \"request_id\": <request_id>, \"time\": <time>}"
  }

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 5
  }

  dead_letter_config {
    arn = aws_sqs_queue.dead_letter.arn
  }
}

resource "aws_lambda_permission" "ingest" {
  for_each = local.rule_names

  statement_id  = each.value
  action        = "lambda:InvokeFunction"
  function_name = var.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.ingest[each.key].arn
}

resource "aws_cloudwatch_event_rule" "maintenance" {
  for_each = var.maintenance.rule_names

  name                = each.value
  description         = "Looks after the index of the corpus ${each.key}."
  schedule_expression = var.maintenance.schedule_expression
  state               = var.maintenance.enabled ? "ENABLED" : "DISABLED"
}

# Onto the queue, not to the function: so it waits its turn, is tried again and given up like any
# other job. An event delivered twice is harmless: the second finds nothing left to do.
resource "aws_cloudwatch_event_target" "maintenance" {
  for_each = var.maintenance.rule_names

  rule      = aws_cloudwatch_event_rule.maintenance[each.key].name
  target_id = "maintenance"
  arn       = var.maintenance.queue_arn
  input     = jsonencode({ kind = "maintain", corpus = each.key })

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 5
  }

  dead_letter_config {
    arn = aws_sqs_queue.dead_letter.arn
  }
}
