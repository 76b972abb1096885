# One work queue with its dead-letter queue.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name                       = "ultron-page-jobs"
  arn_prefix                 = "arn:aws:sqs:eu-west-1:123456789012:"
  visibility_timeout_seconds = 720
  maximum_receives           = 5
}

run "queue" {
  module {
    source = "./modules/queue"
  }

  assert {
    condition     = aws_sqs_queue.main.sqs_managed_sse_enabled && aws_sqs_queue.dead_letter.sqs_managed_sse_enabled
    error_message = "Messages are encrypted."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.main.redrive_policy) == {
      deadLetterTargetArn = "arn:aws:sqs:eu-west-1:123456789012:ultron-page-jobs-dlq", maxReceiveCount = 6
    }
    error_message = "A message that keeps failing goes to the dead-letter queue."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead_letter.redrive_allow_policy) == {
      redrivePermission = "byQueue", sourceQueueArns = ["arn:aws:sqs:eu-west-1:123456789012:ultron-page-jobs"]
    }
    error_message = "The dead-letter queue takes messages of its queue alone."
  }

  assert {
    condition     = aws_sqs_queue.dead_letter.message_retention_seconds == 14 * 24 * 3600
    error_message = "Dead letters are kept for 14 days."
  }

  assert {
    condition     = aws_sqs_queue.main.message_retention_seconds < aws_sqs_queue.dead_letter.message_retention_seconds
    error_message = "A dead letter keeps its age, so its queue must keep messages for longer."
  }

  assert {
    condition     = aws_sqs_queue.main.message_retention_seconds + aws_sqs_queue.dead_letter.message_retention_seconds == 18 * 24 * 3600
    error_message = "The least orphan_grace_days of index_maintenance is as long as a message can lie in both queues."
  }

  assert {
    condition = alltrue([
      for queue, name in { (aws_sqs_queue.main.policy) = "ultron-page-jobs", (aws_sqs_queue.dead_letter.policy) = "ultron-page-jobs-dlq" } :
      jsondecode(queue).Statement == [
        {
          Sid       = "RefusePlainHttp"
          Effect    = "Deny"
          Principal = { AWS = "*" }
          Action    = "sqs:*"
          Resource  = "arn:aws:sqs:eu-west-1:123456789012:${name}"
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        }
      ]
    ])
    error_message = "Both queues refuse plain HTTP, and their policies allow nobody anything."
  }
}

run "queue_that_takes_events" {
  module {
    source = "./modules/queue"
  }

  variables {
    sender_rule_arns = ["arn:aws:events:eu-west-1:123456789012:rule/ultron-upkeep-*"]
  }

  assert {
    condition = [for statement in jsondecode(output.policy).Statement : statement if statement.Effect == "Allow"] == [
      {
        Sid       = "TakeEventsOfTheSchedule"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = "arn:aws:sqs:eu-west-1:123456789012:ultron-page-jobs"
        Condition = { ArnLike = { "aws:SourceArn" = ["arn:aws:events:eu-west-1:123456789012:rule/ultron-upkeep-*"] } }
      }
    ]
    error_message = "The queue takes messages of the named rules, and of no others."
  }

  assert {
    condition = length([for statement in jsondecode(output.policy).Statement : statement if statement.Sid == "RefusePlainHttp"]) == 1 && (
      [for statement in jsondecode(aws_sqs_queue.dead_letter.policy).Statement : statement.Effect] == ["Deny"]
    )
    error_message = "It still refuses plain HTTP, and its dead-letter queue takes no events."
  }
}

run "schedule_dead_letters" {
  module {
    source = "./modules/schedule"
  }

  variables {
    name_prefix = "ultron"
    corpora     = { marvel = { incremental = "cron(0 6 * * ? *)", full = "rate(7 days)" } }
    enabled     = false
    maintenance = {
      schedule_expression = "cron(0 8 ? * SUN *)"
      enabled             = false
      queue_arn           = "arn:aws:sqs:eu-west-1:123456789012:ultron-compact-jobs"
    }
    function_name    = "ultron-ingest"
    function_arn     = "arn:aws:lambda:eu-west-1:123456789012:function:ultron-ingest"
    dead_letter_name = "ultron-ingest-dlq"
    rule_arn_prefix  = "arn:aws:events:eu-west-1:123456789012:rule/"
    queue_arn_prefix = "arn:aws:sqs:eu-west-1:123456789012:"
  }

  assert {
    condition = [for statement in jsondecode(output.dead_letter_policy).Statement : statement.Condition if statement.Effect == "Allow"] == [
      { ArnLike = { "aws:SourceArn" = [for name in ["full", "ingest", "upkeep"] : "arn:aws:events:eu-west-1:123456789012:rule/ultron-${name}-*"] } }
    ]
    error_message = "Only our own rules may write to the schedule's dead-letter queue."
  }

  assert {
    condition     = contains([for statement in jsondecode(output.dead_letter_policy).Statement : statement.Sid], "RefusePlainHttp") && aws_sqs_queue.dead_letter.sqs_managed_sse_enabled
    error_message = "The schedule's dead-letter queue is as safe as the others."
  }

  assert {
    condition     = alltrue([for rule in output.rules : rule.state == "DISABLED"])
    error_message = "The schedule can be switched off."
  }

  assert {
    condition     = aws_cloudwatch_event_target.maintenance["marvel"].dead_letter_config[0].arn == aws_sqs_queue.dead_letter.arn
    error_message = "A job that cannot be put onto the queue is kept."
  }

  assert {
    condition = alltrue([
      for target in aws_cloudwatch_event_target.run :
      target.dead_letter_config[0].arn == aws_sqs_queue.dead_letter.arn && target.retry_policy[0].maximum_retry_attempts == 5
    ])
    error_message = "An event that cannot be delivered is tried again, then kept."
  }
}
