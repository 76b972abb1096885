locals {
  dead_letter_arn = "${var.queue_arn_prefix}${var.dead_letter_name}"

  # What a rule for runs of a mode is called, before the corpus's name.
  rule_name_of_mode = { incremental = "ingest", full = "full" }

  runs = merge([
    for corpus, schedule in var.corpora : {
      for mode, name in local.rule_name_of_mode : "${name}-${corpus}" => {
        corpus     = corpus
        mode       = mode
        expression = schedule[mode]
      } if schedule[mode] != null
    }
  ]...)

  # `ultron corpus add` makes rules of the same names, which then need no separate permission.
  rule_arns = { for name in ["ingest", "full", "upkeep"] : name => "${var.rule_arn_prefix}${var.name_prefix}-${name}-*" }
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
        Condition = { ArnLike = { "aws:SourceArn" = values(local.rule_arns) } }
      },
    ]
  })
}

resource "aws_cloudwatch_event_rule" "run" {
  for_each = local.runs

  name                = "${var.name_prefix}-${each.key}"
  description         = each.value.mode == "full" ? "Ingests all of the corpus ${each.value.corpus}." : "Ingests what is new in the corpus ${each.value.corpus}."
  schedule_expression = each.value.expression
  state               = var.enabled ? "ENABLED" : "DISABLED"
  tags                = { ManagedBy = "terraform" }
}

resource "aws_cloudwatch_event_target" "run" {
  for_each = local.runs

  rule      = aws_cloudwatch_event_rule.run[each.key].name
  target_id = "ingest"
  arn       = var.function_arn

  # The event's id and time make the run's id: an event delivered twice, even after its run has
  # ended, starts one run. The template is no jsonencode(), which would escape the angle brackets.
  input_transformer {
    input_paths    = { request_id = "$.id", time = "$.time" }
    input_template = "{\"corpus\": \"${each.value.corpus}\", \"mode\": \"${each.value.mode}\", \"request_id\": <request_id>, \"time\": <time>}"
  }

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 5
  }

  dead_letter_config {
    arn = aws_sqs_queue.dead_letter.arn
  }
}

resource "aws_lambda_permission" "run" {
  for_each = local.rule_name_of_mode

  statement_id  = "${var.name_prefix}-${each.value}-rules"
  action        = "lambda:InvokeFunction"
  function_name = var.function_name
  principal     = "events.amazonaws.com"
  source_arn    = local.rule_arns[each.value]
}

resource "aws_cloudwatch_event_rule" "maintenance" {
  for_each = var.corpora

  name                = "${var.name_prefix}-upkeep-${each.key}"
  description         = "Looks after the index of the corpus ${each.key}."
  schedule_expression = var.maintenance.schedule_expression
  state               = var.maintenance.enabled ? "ENABLED" : "DISABLED"
  tags                = { ManagedBy = "terraform" }
}

# Onto the queue, not to the function: so it waits its turn, is tried again and given up like any
# other job. An event delivered twice is harmless: the second finds nothing left to do.
resource "aws_cloudwatch_event_target" "maintenance" {
  for_each = var.corpora

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
