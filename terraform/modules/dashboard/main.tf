locals {
  # The functions' own metrics that follow a run, by the function that emits each, in the order of the
  # line; tests/unit/docs/test_metrics_and_alarms.py compares them with the code.
  own_metrics = [
    { metric = "PagesPlanned", service = "ingest" },
    { metric = "RawRecords", service = "fetch" },
    { metric = "Gaps", service = "fetch" },
    { metric = "Entities", service = "derive" },
    { metric = "Rejects", service = "derive" },
    { metric = "Vectors", service = "embedder" },
    { metric = "ChunksUnchanged", service = "embedder" },
    { metric = "ManifestCommits", service = "indexer" },
    { metric = "ShardsMerged", service = "compactor" },
  ]

  public = [for stage in ["retrieve", "orchestrator"] : var.function_names[stage]]

  metric_widgets = {
    funnel = {
      title = "A run, stage by stage"
      stat  = "Sum"
      metrics = [
        for own in local.own_metrics : [var.name_prefix, own.metric, "service", own.service]
      ]
    }
    waiting = {
      title   = "Messages in the queues"
      stat    = "Maximum"
      metrics = [for queue in var.queue_names : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue]]
    }
    age = {
      title   = "Age of the oldest message, seconds"
      stat    = "Maximum"
      metrics = [for queue in var.queue_names : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue]]
    }
    dead_letters = {
      title   = "Dead-letter messages"
      stat    = "Maximum"
      metrics = [for queue in var.dead_letter_queue_names : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue]]
    }
    requests = {
      title = "Requests of the API, and answers from 400 and from 500"
      stat  = "Sum"
      metrics = [
        for metric in ["Count", "4XXError", "5XXError"] :
        ["AWS/ApiGateway", metric, "ApiName", var.api.name, "Stage", var.api.stage]
      ]
    }
    latency = {
      title = "Latency of the API, milliseconds"
      stat  = "p50"
      metrics = [
        for percentile in ["p50", "p95", "p99"] :
        ["AWS/ApiGateway", "Latency", "ApiName", var.api.name, "Stage", var.api.stage, { stat = percentile, label = percentile }]
      ]
    }
    durations = {
      title = "Duration of retrieve and orchestrator, milliseconds"
      stat  = "p50"
      metrics = [
        for pair in setproduct(local.public, ["p50", "p95"]) :
        ["AWS/Lambda", "Duration", "FunctionName", pair[0], { stat = pair[1], label = join(" ", pair) }]
      ]
    }
    errors = {
      title   = "Errors of the functions"
      stat    = "Sum"
      metrics = [for function in values(var.function_names) : ["AWS/Lambda", "Errors", "FunctionName", function]]
    }
    throttles = {
      title   = "Throttled invocations"
      stat    = "Sum"
      metrics = [for function in values(var.function_names) : ["AWS/Lambda", "Throttles", "FunctionName", function]]
    }
    # Lambda bills memory times this.
    compute = {
      title   = "Cost driver: milliseconds that the functions ran"
      stat    = "Sum"
      metrics = [for function in values(var.function_names) : ["AWS/Lambda", "Duration", "FunctionName", function]]
    }
    table = {
      title = "Cost driver: units of the table"
      stat  = "Sum"
      metrics = [
        for metric in ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"] :
        ["AWS/DynamoDB", metric, "TableName", var.table_name]
      ]
    }
    bucket = {
      title   = "Cost driver: bytes in the bucket"
      stat    = "Average"
      period  = 86400
      metrics = [["AWS/S3", "BucketSizeBytes", "BucketName", var.bucket_name, "StorageType", "StandardStorage"]]
    }
  }

  # CloudWatch has no metric of these; a query costs by the bytes of the logs that it reads.
  log_widgets = {
    cold_starts = {
      title  = "Cold starts"
      stages = keys(var.log_group_names)
      query  = "filter @type = 'REPORT' | stats count(*) as invocations, count(@initDuration) as cold_starts, pct(@initDuration, 95) as p95_milliseconds by @log"
    }
    index_age = {
      title  = "Versions of the indexes that were searched, and their age"
      stages = ["retrieve"]
      query  = "filter message = 'retrieved' | stats max(index_version) as version, min(index_age_seconds) as age_seconds by corpus"
    }
  }

  # Saved for Logs Insights; docs/how-to/watch.md says when to use which.
  saved_queries = {
    errors = {
      stages = keys(var.log_group_names)
      query  = "filter level = 'ERROR' or @message like /Task timed out|Runtime\\./ | fields @timestamp, service, message, exception_name, exception | sort @timestamp desc | limit 100"
    }
    one-request = {
      stages = ["retrieve", "orchestrator"]
      query  = "filter correlation_id = 'the request_id of the answer' | fields @timestamp, service, level, message, @message | sort @timestamp"
    }
    slow-searches = {
      stages = ["retrieve"]
      query  = "filter message = 'retrieved' | fields @timestamp, corpus, mode, k, timing_ms.total, timing_ms.model, timing_ms.shards, timing_ms.search | sort timing_ms.total desc | limit 50"
    }
    waiting-jobs = {
      stages = keys(var.log_group_names)
      query  = "filter message = 'a job has to wait' | stats count(*) as times by stage, reason | sort times desc"
    }
    cold-starts = { stages = keys(var.log_group_names), query = local.log_widgets.cold_starts.query }
  }

  widgets = concat(
    [
      for name, widget in local.metric_widgets : {
        type       = "metric"
        properties = merge({ region = var.region, view = "timeSeries", period = 300 }, widget)
      }
    ],
    [
      for name, widget in local.log_widgets : {
        type = "log"
        properties = {
          title  = widget.title
          region = var.region
          view   = "table"
          query = join(" | ", concat(
            [for stage in widget.stages : "SOURCE '${var.log_group_names[stage]}'"], [widget.query],
          ))
        }
      }
    ],
  )
}

# Dashboards are known in a whole account, so the region is in the name.
resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = "${var.name_prefix}-${var.region}"
  dashboard_body = jsonencode({
    widgets = [
      for index, widget in local.widgets :
      merge(widget, { x = index % 2 * 12, y = floor(index / 2) * 6, width = 12, height = 6 })
    ]
  })
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = local.saved_queries

  name            = "${var.name_prefix}/${each.key}"
  query_string    = each.value.query
  log_group_names = [for stage in each.value.stages : var.log_group_names[stage]]
}
