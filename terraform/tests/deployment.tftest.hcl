# What the whole deployment promises with its defaults, as it would stand on AWS.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  expected_account_id = "123456789012"
  bundle_directory    = "tests/fixtures/bundles"
  model_directory     = "tests/fixtures/model"
  corpora = {
    marvel   = { source = { kind = "marvel", base_url = "https://gateway.example.com" } }
    aws-docs = { source = { kind = "jsonl", prefix = "sources/aws-docs/" }, mapping = { metadata = { service = "service" } } }
  }
}

run "defaults" {
  # Queues.

  assert {
    condition     = toset(keys(module.queues)) == toset(["page-jobs", "derive-jobs", "chunk-jobs", "embed-jobs", "index-jobs", "compact-jobs"])
    error_message = "Each of the five stages has its queue, and so has the compactor."
  }

  assert {
    condition     = alltrue([for name, queue in module.queues : queue.dead_letter_name == "ultron-${name}-dlq"])
    error_message = "Each queue has its own dead-letter queue."
  }

  assert {
    condition = alltrue([
      for name, queue in module.queues :
      queue.visibility_timeout_seconds >= 6 * module.functions[local.queues[name].function].timeout_seconds
    ])
    error_message = "A message stays hidden for at least six times as long as its function may run."
  }

  assert {
    condition     = alltrue([for queue in module.queues : queue.maximum_receives == 5])
    error_message = "A message is worked on at five receives."
  }

  assert {
    condition     = alltrue([for queue in module.queues : queue.maximum_receive_count == queue.maximum_receives + 1])
    error_message = "SQS leaves a message for one receive more, at which it is recorded that its workers died."
  }

  assert {
    condition     = alltrue([for name in ["ingest", "fetch", "derive", "chunker", "embedder"] : module.functions[name].configuration.environment.PUBLISH_COPIES == "1"])
    error_message = "Outside of drills every message is sent once."
  }

  assert {
    condition     = alltrue([for name in ["fetch", "derive", "chunker", "embedder", "indexer", "compactor"] : module.functions[name].configuration.environment.MAXIMUM_RECEIVES == "5"])
    error_message = "The stages know how often a message is received before it is given up."
  }

  # Functions.

  assert {
    condition = toset(keys(module.functions)) == toset([
      "ingest", "fetch", "derive", "chunker", "embedder", "indexer", "compactor", "retrieve", "orchestrator",
    ])
    error_message = "Each service is a function."
  }

  assert {
    condition     = alltrue([for function in module.functions : function.configuration.architectures == tolist(["arm64"])])
    error_message = "Functions run on Graviton."
  }

  assert {
    condition     = alltrue([for function in module.functions : function.configuration.runtime == "python3.12"])
    error_message = "Functions run on python3.12."
  }

  assert {
    condition     = alltrue([for name, function in module.functions : function.configuration.handler == "services.${name}.handler.handler"])
    error_message = "The handler is the one of the function's own service."
  }

  assert {
    condition     = alltrue([for name in ["retrieve", "orchestrator"] : module.functions[name].configuration.reserved_concurrency > 0])
    error_message = "Public functions have reserved concurrency, which caps what a flood of requests costs."
  }

  assert {
    condition     = alltrue([for function in module.functions : function.configuration.log_retention_days == 30])
    error_message = "No log is kept for ever."
  }

  assert {
    condition     = alltrue([for function in module.functions : function.configuration.tracing_mode == "Active"])
    error_message = "X-Ray records the functions."
  }

  assert {
    condition = {
      for name, function in module.functions : name => [
        function.timeout_seconds, function.configuration.memory_mb, function.configuration.ephemeral_storage_mb,
      ]
      } == {
      ingest       = [300, 512, 512]
      fetch        = [300, 512, 512]
      derive       = [120, 512, 512]
      chunker      = [120, 512, 512]
      embedder     = [300, 3008, 2048]
      indexer      = [120, 512, 512]
      compactor    = [900, 3008, 4096]
      retrieve     = [29, 2048, 4096]
      orchestrator = [29, 1024, 512]
    }
    error_message = "Timeout (s), memory (MB) and /tmp (MB) are the documented ones."
  }

  assert {
    condition     = alltrue([for function in module.functions : function.configuration.memory_mb <= 3008])
    error_message = "A new account allows a function 3,008 MB of memory at most."
  }

  assert {
    condition     = { for name, function in module.functions : name => length(function.configuration.layers) } == { ingest = 2, fetch = 2, derive = 2, chunker = 1, embedder = 2, indexer = 1, compactor = 2, retrieve = 2, orchestrator = 2 }
    error_message = "Each function has the layers that its bundle asks for."
  }

  # Event sources.

  assert {
    condition = alltrue([
      for name in ["fetch", "derive", "chunker", "embedder", "indexer", "compactor"] :
      module.functions[name].event_source.function_response_types == toset(["ReportBatchItemFailures"])
    ])
    error_message = "A poison message fails alone."
  }

  assert {
    condition = alltrue([
      for name in ["fetch", "derive", "chunker", "embedder", "indexer", "compactor"] :
      module.functions[name].event_source.maximum_concurrency >= 2
    ])
    error_message = "Every mapping bounds how many batches are worked on at once."
  }

  assert {
    condition = {
      for name in ["fetch", "derive", "chunker", "embedder", "indexer", "compactor"] : name => [
        module.functions[name].event_source.batch_size, module.functions[name].event_source.maximum_batching_window_seconds,
      ]
    } == { fetch = [1, 0], derive = [10, 0], chunker = [10, 0], embedder = [1, 0], indexer = [100, 5], compactor = [1, 0] }
    error_message = "Batch sizes and windows (s) are the documented ones."
  }

  assert {
    condition     = alltrue([for name in ["ingest", "retrieve", "orchestrator"] : module.functions[name].event_source == null])
    error_message = "Functions that are invoked directly consume no queue."
  }

  # Environment.

  assert {
    condition = jsonencode({
      for name, function in module.functions : name => sort(setsubtract(keys(function.configuration.environment), [
        "BUCKET_NAME", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "LOG_LEVEL",
      ]))
      }) == jsonencode({
      ingest   = ["CHECKPOINT_TABLE", "COMPACT_QUEUE_URL", "CORPORA_PARAMETER_PATH", "MODEL_PREFIX", "MODEL_PREFIXES", "NEXT_QUEUE_URL", "PLANNING_LEASE_SECONDS", "PUBLISH_COPIES", "SOURCE_SECRET_PREFIX", "STAGE_QUEUE_URLS"]
      fetch    = ["CHECKPOINT_TABLE", "COMPACT_QUEUE_URL", "CORPORA_PARAMETER_PATH", "MAXIMUM_RECEIVES", "NEXT_QUEUE_URL", "PUBLISH_COPIES", "QUEUE_URL", "RETRY_DELAY_SECONDS", "SOURCE_SECRET_PREFIX"]
      derive   = ["CHECKPOINT_TABLE", "COMPACT_QUEUE_URL", "CORPORA_PARAMETER_PATH", "MAXIMUM_RECEIVES", "NEXT_QUEUE_URL", "PUBLISH_COPIES", "QUEUE_URL", "RETRY_DELAY_SECONDS"]
      chunker  = ["CHECKPOINT_TABLE", "COMPACT_QUEUE_URL", "CORPORA_PARAMETER_PATH", "MAXIMUM_RECEIVES", "NEXT_QUEUE_URL", "PUBLISH_COPIES", "QUEUE_URL", "RETRY_DELAY_SECONDS"]
      embedder = ["CHECKPOINT_TABLE", "COMPACT_QUEUE_URL", "CORPORA_PARAMETER_PATH", "MAXIMUM_RECEIVES", "MODEL_DIR", "MODEL_PREFIX", "MODEL_PREFIXES", "NEXT_QUEUE_URL", "OPENBLAS_NUM_THREADS", "PUBLISH_COPIES", "QUEUE_URL", "RETRY_DELAY_SECONDS"]
      indexer  = ["CHECKPOINT_TABLE", "COMPACTION_FAN_IN", "COMPACT_QUEUE_URL", "MAXIMUM_RECEIVES", "QUEUE_URL", "RETRY_DELAY_SECONDS", "SHARD_MAXIMUM_MB", "SHARD_MINIMUM_MB"]
      compactor = [
        "CHECKPOINT_TABLE", "COMPACTION_FAN_IN", "COMPACT_QUEUE_URL", "CORPORA_PARAMETER_PATH", "HISTORY_KEPT_DAYS", "MAXIMUM_RECEIVES", "MODEL_PREFIX", "MODEL_PREFIXES",
        "OPENBLAS_NUM_THREADS", "ORPHAN_GRACE_DAYS", "QUEUE_URL", "REMOVED_GRACE_HOURS", "RETRY_DELAY_SECONDS", "SHARD_MAXIMUM_MB", "SHARD_MINIMUM_MB", "WORK_DIR",
      ]
      retrieve     = ["CACHE_LIMIT_MB", "CORPORA_PARAMETER_PATH", "DEFAULT_CORPUS", "MODEL_DIR", "MODEL_PREFIX", "MODEL_PREFIXES", "OPENBLAS_NUM_THREADS"]
      orchestrator = ["CHECKPOINT_TABLE", "DEFAULT_CORPUS", "RETRIEVE_FUNCTION_NAME"]
    })
    error_message = "Each function gets the settings of docs/why/architecture.md, and no others."
  }

  assert {
    condition     = tonumber(module.functions["ingest"].configuration.environment.PLANNING_LEASE_SECONDS) > module.functions["ingest"].timeout_seconds
    error_message = "A run is not taken for abandoned while its planner can still live."
  }

  assert {
    condition     = module.functions["retrieve"].configuration.environment.MODEL_PREFIX == "models/tiny-model/1/"
    error_message = "The model's place follows from its identity."
  }

  assert {
    condition     = module.functions["retrieve"].configuration.environment.BUCKET_NAME == "ultron-embeddings-123456789012"
    error_message = "The bucket is named after the account."
  }

  assert {
    condition     = module.functions["orchestrator"].configuration.environment.DEFAULT_CORPUS == "aws-docs"
    error_message = "Without default_corpus the first corpus by name is it."
  }

  assert {
    condition = alltrue([
      for name in ["ingest", "fetch", "derive", "chunker", "embedder", "indexer", "compactor"] :
      module.functions[name].configuration.environment.COMPACT_QUEUE_URL == module.queues["compact-jobs"].url
    ])
    error_message = "All of the line knows where to ask for maintenance."
  }

  assert {
    condition = {
      for name, value in module.functions["compactor"].configuration.environment : name => value
      if can(regex("COMPACTION_|SHARD_|HISTORY_|_GRACE_", name))
      } == {
      COMPACTION_FAN_IN   = "8"
      SHARD_MINIMUM_MB    = "25"
      SHARD_MAXIMUM_MB    = "200"
      HISTORY_KEPT_DAYS   = "7"
      REMOVED_GRACE_HOURS = "24"
      ORPHAN_GRACE_DAYS   = "21"
    }
    error_message = "Shards of 25 to 200 MB, a week of history, and the documented graces."
  }

  assert {
    condition     = module.functions["retrieve"].configuration.environment.CACHE_LIMIT_MB == "3481"
    error_message = "Shards take up to 85 % of /tmp."
  }

  # Versions.

  assert {
    condition     = alltrue([for function in module.functions : function.configuration.publish == false && function.configuration.snap_start == null && function.alias == null])
    error_message = "Unless SnapStart is asked for, no version is published."
  }

  assert {
    condition     = module.functions["orchestrator"].configuration.environment.RETRIEVE_FUNCTION_NAME == "ultron-retrieve"
    error_message = "The orchestrator calls retrieve by its name."
  }

  # Schedule.

  assert {
    condition     = { for key, rule in module.schedule.rules : key => rule.name } == { ingest-aws-docs = "ultron-ingest-aws-docs", ingest-marvel = "ultron-ingest-marvel" }
    error_message = "Each corpus has its rule."
  }

  assert {
    condition     = alltrue([for rule in module.schedule.rules : rule.schedule_expression == "cron(0 6 * * ? *)" && rule.state == "ENABLED"])
    error_message = "Every corpus is ingested at 06:00 UTC."
  }

  assert {
    condition     = alltrue([for rule in concat(values(module.schedule.rules), values(module.schedule.maintenance_rules)) : rule.tags.ManagedBy == "terraform"])
    error_message = "The rules are marked as Terraform's."
  }

  assert {
    condition = alltrue([
      for key, rule in module.schedule.rules : jsondecode(replace(replace(rule.input_template, "<request_id>", "\"some-id\""), "<time>", "\"some-time\"")) == {
        corpus = trimprefix(key, "ingest-"), mode = "incremental", request_id = "some-id", time = "some-time"
      }
    ])
    error_message = "ingest is told the corpus, the mode and the event's id."
  }

  assert {
    condition = module.schedule.rule_permissions == {
      incremental = "arn:aws:events:eu-west-1:123456789012:rule/ultron-ingest-*", full = "arn:aws:events:eu-west-1:123456789012:rule/ultron-full-*"
    }
    error_message = "The rules of a corpus that is added later may invoke ingest, and others may not."
  }

  assert {
    condition = output.schedule == {
      ingest_function_arn = module.functions["ingest"].arn
      dead_letter_arn     = "arn:aws:sqs:eu-west-1:123456789012:ultron-ingest-dlq"
      compact_queue_arn   = module.queues["compact-jobs"].arn
      rule_prefix         = "ultron"
      default_incremental = "cron(0 6 * * ? *)"
      maintenance         = "cron(0 8 ? * SUN *)"
    }
    error_message = "Who adds a corpus later is told what its rules call, and when they fire."
  }

  assert {
    condition     = { for corpus, rule in module.schedule.maintenance_rules : corpus => rule.name } == { aws-docs = "ultron-upkeep-aws-docs", marvel = "ultron-upkeep-marvel" }
    error_message = "Each corpus's index has its rule."
  }

  assert {
    condition     = alltrue([for rule in module.schedule.maintenance_rules : rule.schedule_expression == "cron(0 8 ? * SUN *)" && rule.state == "ENABLED"])
    error_message = "Every index is looked after on Sundays at 08:00 UTC."
  }

  assert {
    condition = alltrue([
      for corpus, rule in module.schedule.maintenance_rules :
      jsondecode(rule.input) == { kind = "maintain", corpus = corpus } && rule.target_arn == module.queues["compact-jobs"].arn
    ])
    error_message = "The compactor's queue is told to maintain the corpus."
  }

  assert {
    condition = {
      for name, queue in module.queues : name => flatten([
        for statement in jsondecode(queue.policy).Statement : statement.Condition.ArnLike["aws:SourceArn"] if statement.Effect == "Allow"
      ])
      if length(jsondecode(queue.policy).Statement) > 1
      } == {
      compact-jobs = ["arn:aws:events:eu-west-1:123456789012:rule/ultron-upkeep-*"]
    }
    error_message = "Only the compactor's queue takes events, and only those of its rules."
  }

  # Corpora.

  assert {
    condition = {
      for name, document in module.corpora.parameter_values : name => jsondecode(document)
      } == {
      marvel   = { name = "marvel", source = { kind = "marvel", base_url = "https://gateway.example.com" } }
      aws-docs = { name = "aws-docs", source = { kind = "jsonl", prefix = "sources/aws-docs/" }, mapping = { metadata = { service = "service" } } }
    }
    error_message = "A corpus reaches the functions as it was given, with its name."
  }

  assert {
    condition     = module.corpora.parameter_names == { marvel = "/ultron/corpora/marvel", aws-docs = "/ultron/corpora/aws-docs" }
    error_message = "A corpus is one parameter below the path that the functions know."
  }

  assert {
    condition     = contains(keys(module.corpora.secret_arns), "marvel") && length(module.corpora.secret_arns) == 1 && length(module.corpora.secrets_with_a_value) == 0
    error_message = "A source that needs keys has a secret, empty until somebody fills it."
  }

  # What else of the account can refer to.

  assert {
    condition = {
      for kind in ["functions", "roles", "log_groups", "layers", "queues", "dead_letter_queues", "rules", "parameters", "secrets", "alarms"] :
      kind => length(output.arns[kind])
      } == {
      functions = 9, roles = 9, log_groups = 10, layers = 4, queues = 6, dead_letter_queues = 7, rules = 4, parameters = 3, secrets = 1, alarms = length(module.observability[0].alarms)
    }
    error_message = "Each resource has its ARN among the outputs."
  }

  assert {
    condition     = alltrue([for kind in ["bucket", "table", "api", "api_execution", "api_stage"] : output.arns[kind] != ""])
    error_message = "So have bucket, table, API and stage."
  }

  # Observability.

  assert {
    condition = alltrue([
      for queue in concat([for name in keys(module.queues) : "ultron-${name}-dlq"], ["ultron-ingest-dlq"]) :
      module.observability[0].alarms["${queue}-not-empty"].threshold == 0
    ])
    error_message = "Any message in any dead-letter queue raises an alarm."
  }

  assert {
    condition     = alltrue([for name in keys(module.queues) : can(module.observability[0].alarms["ultron-${name}-waits"])])
    error_message = "Each queue is watched for messages that wait."
  }

  assert {
    condition = alltrue(flatten([
      for name in keys(module.functions) : [
        for kind in ["errors", "throttles", "p95-duration"] : can(module.observability[0].alarms["ultron-${name}-${kind}"])
      ]
    ]))
    error_message = "Each function is watched for errors, throttles and its p95 duration."
  }

  assert {
    condition     = module.observability[0].alarms["ultron-retrieve-p95-duration"].threshold == 23200
    error_message = "The p95 alarm is at 80 % of the timeout, in milliseconds."
  }

  assert {
    condition     = module.observability[0].alarms["ultron-api-5xx"].dimensions == tomap({ ApiName = "ultron", Stage = "prod" })
    error_message = "Server errors of the API raise an alarm."
  }
}
