# What becomes of the deployment when a variable is set.

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

run "schedules_of_single_corpora" {
  command = plan

  variables {
    name_prefix = "abcdefghijklmnopqrst"
    corpora = {
      hourly                               = { source = { kind = "jsonl", prefix = "sources/a/" }, schedule = { incremental = "rate(1 hour)" } }
      both                                 = { source = { kind = "jsonl", prefix = "sources/b/" }, schedule = { incremental = "rate(2 hours)", full = "cron(0 3 ? * SAT *)" } }
      by-hand                              = { source = { kind = "jsonl", prefix = "sources/c/" }, schedule = {} }
      plain                                = { source = { kind = "jsonl", prefix = "sources/d/" }, schedule = null }
      abcdefghijklmnopqrstuvwxyz0123456789 = { source = { kind = "jsonl", prefix = "sources/e/" }, schedule = { full = "rate(7 days)" } }
    }
  }

  assert {
    condition = { for key, rule in module.schedule.rules : key => rule.schedule_expression } == {
      ingest-hourly                             = "rate(1 hour)"
      ingest-both                               = "rate(2 hours)"
      full-both                                 = "cron(0 3 ? * SAT *)"
      ingest-plain                              = "cron(0 6 * * ? *)"
      full-abcdefghijklmnopqrstuvwxyz0123456789 = "rate(7 days)"
    }
    error_message = "A corpus's own schedule wins over the deployment's; null is never."
  }

  assert {
    condition     = strcontains(module.schedule.rules["full-both"].input_template, "\"mode\": \"full\"") && strcontains(module.schedule.rules["ingest-both"].input_template, "\"mode\": \"incremental\"")
    error_message = "The rule says which mode the run has."
  }

  assert {
    condition     = local.bucket_name == "abcdefghijklmnopqrst-embeddings-123456789012-eu-west-1"
    error_message = "A deployment of another prefix has another bucket, which is named after its region too."
  }

  assert {
    condition     = { for name, function in module.functions : name => function.role_name } == { for name in keys(module.functions) : name => "abcdefghijklmnopqrst-${name}-eu-west-1" }
    error_message = "Roles, which are known in all regions, are named after prefix and region."
  }

  assert {
    condition     = alltrue([for function in module.functions : length(replace(function.role_name, "eu-west-1", "ap-southeast-1")) <= 64]) && length(replace(local.bucket_name, "eu-west-1", "ap-southeast-1")) <= 63
    error_message = "With the longest prefix and region no name is longer than AWS allows."
  }

  assert {
    condition     = toset(keys(module.schedule.maintenance_rules)) == toset(keys(var.corpora))
    error_message = "Each index is looked after, however its corpus is ingested."
  }

  assert {
    condition = alltrue([
      for rule in concat(values(module.schedule.rules), values(module.schedule.maintenance_rules)) : length(rule.name) <= 64
    ])
    error_message = "With the longest names the rules' are no longer than AWS allows."
  }
}

run "schedules_off" {
  command = plan

  variables {
    schedule_enabled             = false
    maintenance_schedule_enabled = false
    corpora                      = { docs = { source = { kind = "jsonl", prefix = "sources/docs/" }, schedule = { full = "rate(7 days)" } } }
  }

  assert {
    condition     = alltrue([for rule in concat(values(module.schedule.rules), values(module.schedule.maintenance_rules)) : rule.state == "DISABLED"])
    error_message = "One switch stops all runs that begin by themselves, and one all maintenance."
  }

  assert {
    condition     = local.schedule.default_incremental == null && local.schedule.maintenance == null
    error_message = "Nor shall a corpus that is added later be given rules that fire."
  }
}

run "schedules_as_eventbridge_takes_them" {
  command = plan

  assert {
    condition = [
      for expression in [
        "cron(0 6 * * ? *)", "cron(0/15 8-17 ? * MON-FRI *)", "cron(5,35 14 1W JAN,jul ? 2026-2030)", "cron(0 0 L * ? *)",
        "cron(0 3 ? 1/3 SAT#1 *)", "cron(59 23 ? * 6L *)", "cron(*/10 * 1-7 * ? *)", "rate(1 minute)", "rate(36 hours)",
      ] : expression if !can(regex(local.schedule_pattern, expression))
    ] == []
    error_message = "What EventBridge takes is taken."
  }

  assert {
    condition = [
      for expression in [
        "cron(0 6 * * * *)", "cron(0 6 ? * ? *)", "cron(0 6 * * SUN *)", "cron(60 6 * * ? *)", "cron(0 24 * * ? *)", "cron(0 6 0 * ? *)",
        "cron(0 6 32 * ? *)", "cron(0 6 * 13 ? *)", "cron(0 6 ? * 8 *)", "cron(0 6 ? * MO *)", "cron(0 6 ? * SAT#6 *)", "cron(0 6 * * ? 26)",
        "cron(0/0 6 * * ? *)", "cron(0 6 * * ?)", "cron(0 6 * * ? * *)", "cron(0, 6 * * ? *)", "rate(0 hours)", "rate(1 hours)", "rate(2 hour)",
      ] : expression if can(regex(local.schedule_pattern, expression))
    ] == []
    error_message = "What EventBridge refuses is refused, before an apply."
  }
}

run "several_models" {
  variables {
    additional_model_directories = ["tests/fixtures/other-model"]
    corpora = {
      docs  = { source = { kind = "jsonl", prefix = "sources/docs/" }, model = "other-model" }
      notes = { source = { kind = "jsonl", prefix = "sources/notes/" } }
    }
  }

  assert {
    condition = alltrue([
      for name in ["ingest", "embedder", "compactor", "retrieve"] :
      module.functions[name].configuration.environment.MODEL_PREFIX == "models/tiny-model/1/"
      && jsondecode(module.functions[name].configuration.environment.MODEL_PREFIXES) == { tiny-model = "models/tiny-model/1/", other-model = "models/other-model/1/" }
    ])
    error_message = "Who loads models knows where each lies, and which is the default."
  }

  assert {
    condition = alltrue([
      for name in ["embedder", "compactor", "retrieve"] : length(setsubtract(
        ["models/tiny-model/1/*", "models/other-model/1/*"],
        [for resource in flatten([for statement in jsondecode(module.functions[name].policy).Statement : statement.Resource if contains(statement.Action, "s3:GetObject")]) : trimprefix(resource, "arn:aws:s3:::ultron-embeddings-123456789012/")],
      )) == 0
    ])
    error_message = "Who loads models may read each."
  }

  assert {
    condition     = output.model.id == "tiny-model" && keys(output.models) == ["other-model", "tiny-model"]
    error_message = "The deployment says which models it has."
  }

  assert {
    condition     = length(module.models["other-model"].object_keys) == 3
    error_message = "Each model is uploaded."
  }
}

run "room_for_large_models" {
  command = plan

  variables {
    additional_model_directories = ["tests/fixtures/large-model"]
    function_settings            = { retrieve = { ephemeral_storage_mb = 1024 } }
  }

  assert {
    condition     = module.functions["retrieve"].configuration.environment.CACHE_LIMIT_MB == "704"
    error_message = "Beside the shards, /tmp keeps room for all models."
  }
}

run "index_settings" {
  command = plan

  variables {
    corpora = {
      marvel = { source = { kind = "marvel", base_url = "https://gateway.example.com" } }
      docs   = { source = { kind = "jsonl", prefix = "sources/docs/" }, maximum_vanished_share = 0.1 }
    }
    index_maintenance               = { compaction_fan_in = 4, shard_minimum_mb = 1, shard_maximum_mb = 2, history_kept_days = 0 }
    retrieve_memory_budget_mb       = 64
    maintenance_schedule_enabled    = false
    maintenance_schedule_expression = "rate(7 days)"
    function_settings               = { retrieve = { ephemeral_storage_mb = 1024 } }
  }

  assert {
    condition = alltrue([
      for name in ["indexer", "compactor"] : [for setting in ["COMPACTION_FAN_IN", "SHARD_MINIMUM_MB", "SHARD_MAXIMUM_MB"] : module.functions[name].configuration.environment[setting]] == ["4", "1", "2"]
    ])
    error_message = "Who plans compactions and who does them agree on the sizes."
  }

  assert {
    condition     = [for setting in ["HISTORY_KEPT_DAYS", "REMOVED_GRACE_HOURS", "ORPHAN_GRACE_DAYS"] : module.functions["compactor"].configuration.environment[setting]] == ["0", "24", "21"]
    error_message = "A setting that is not given keeps its default."
  }

  assert {
    condition     = jsondecode(module.corpora.parameter_values.docs).maximum_vanished_share == 0.1
    error_message = "How much of a corpus one run may delete can be chosen."
  }

  assert {
    condition     = module.functions["retrieve"].configuration.environment.MEMORY_BUDGET_MB == "64"
    error_message = "How much one environment searches can be chosen."
  }

  assert {
    condition     = module.functions["retrieve"].configuration.environment.CACHE_LIMIT_MB == "864"
    error_message = "Beside the shards, /tmp keeps at least 160 MB for the models."
  }

  assert {
    condition     = alltrue([for rule in module.schedule.maintenance_rules : rule.state == "DISABLED" && rule.schedule_expression == "rate(7 days)"])
    error_message = "Maintenance can be rescheduled and switched off."
  }

  assert {
    condition     = alltrue([for rule in module.schedule.rules : rule.state == "ENABLED"])
    error_message = "Which leaves ingesting as it is."
  }
}

run "keys_and_topics_given" {
  command = plan

  variables {
    alarm_topic_arns   = ["arn:aws:sns:eu-west-1:123456789012:on-call"]
    marvel_public_key  = "1234"
    marvel_private_key = "abcd"
  }

  assert {
    condition     = alltrue([for alarm in module.observability[0].alarms : alarm.actions == toset(["arn:aws:sns:eu-west-1:123456789012:on-call"])])
    error_message = "Every alarm is sent to the topics that are given."
  }

  assert {
    condition     = contains(module.corpora.secrets_with_a_value, "marvel")
    error_message = "Keys that are given are stored."
  }
}

run "local_settings" {
  command = plan

  variables {
    endpoint_url           = "http://127.0.0.1:4566"
    log_retention_days     = 2557
    tracing_enabled        = false
    alarms_enabled         = false
    publish_copies         = 2
    default_corpus         = "marvel"
    model_cache_directory  = "/somewhere/else"
    retry_delay_seconds    = 0
    outbound_allowed_hosts = ["127.0.0.1:4570", "wiki.example.internal", "10.2.0.0/16", "[::1]:8080", "fd00::/8"]
    function_settings = {
      embedder = { maximum_concurrency = 2, memory_mb = 4096 }
    }
    role_path                = "/teams/search/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
    extra_statements = {
      fetch = [
        {
          actions    = ["kms:Decrypt"]
          resources  = ["arn:aws:kms:eu-west-1:123456789012:key/ours"]
          conditions = { StringEquals = { "kms:ViaService" = ["s3.eu-west-1.amazonaws.com"] } }
        }
      ]
    }
    extra_layer_arns = { orchestrator = ["arn:aws:lambda:eu-west-1:123456789012:layer:llama:3"] }
  }

  assert {
    condition     = alltrue([for function in module.functions : function.configuration.environment.AWS_ENDPOINT_URL == "http://127.0.0.1:4566"])
    error_message = "Functions are told the local endpoint."
  }

  assert {
    condition     = alltrue([for function in module.functions : function.configuration.tracing_mode == "PassThrough" && function.configuration.environment.POWERTOOLS_TRACE_DISABLED == "true"])
    error_message = "Tracing can be switched off wholly."
  }

  assert {
    condition     = alltrue([for function in module.functions : function.configuration.log_retention_days == 2557])
    error_message = "Logs can be kept for seven years."
  }

  assert {
    condition     = length(module.observability) == 0
    error_message = "Alarms can be switched off."
  }

  assert {
    condition     = module.functions["embedder"].event_source.maximum_concurrency == 2 && module.functions["embedder"].configuration.memory_mb == 4096 && module.functions["embedder"].timeout_seconds == 300
    error_message = "A setting of a function changes that setting alone."
  }

  assert {
    condition     = module.functions["fetch"].configuration.environment.PUBLISH_COPIES == "2"
    error_message = "The delivery drill reaches the stages."
  }

  assert {
    condition     = module.functions["orchestrator"].configuration.environment.DEFAULT_CORPUS == "marvel"
    error_message = "The default corpus can be chosen."
  }

  assert {
    condition     = module.functions["embedder"].configuration.environment.MODEL_DIR == "/somewhere/else" && module.functions["embedder"].configuration.environment.RETRY_DELAY_SECONDS == "0"
    error_message = "The model's folder and the retry delay can be chosen."
  }

  assert {
    condition = {
      for name, function in module.functions : name => function.configuration.environment.OUTBOUND_ALLOWED_HOSTS
      if can(function.configuration.environment.OUTBOUND_ALLOWED_HOSTS)
    } == { for name in ["ingest", "fetch"] : name => "127.0.0.1:4570,wiki.example.internal,10.2.0.0/16,[::1]:8080,fd00::/8" }
    error_message = "Who calls sources is told which private hosts it may call."
  }

  assert {
    condition     = alltrue([for function in module.functions : function.role_path == "/teams/search/" && function.permissions_boundary_arn == "arn:aws:iam::123456789012:policy/boundary"])
    error_message = "Every role has the path and the boundary of the account."
  }

  assert {
    condition = {
      for name, function in module.functions : name => [
        for statement in jsondecode(function.policy).Statement : [statement.Action, statement.Resource, statement.Condition] if startswith(statement.Sid, "Extra")
      ] if strcontains(function.policy, "kms:")
      } == {
      fetch = [[["kms:Decrypt"], ["arn:aws:kms:eu-west-1:123456789012:key/ours"], { StringEquals = { "kms:ViaService" = ["s3.eu-west-1.amazonaws.com"] } }]]
    }
    error_message = "A statement that is added is of one function's role alone."
  }

  assert {
    condition     = length(module.functions["orchestrator"].configuration.layers) == 3
    error_message = "A function can be given a further layer."
  }
}
