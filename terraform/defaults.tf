# What is deployed where no variable says otherwise, and what the values of variables are compared with.

locals {
  # What each stage is and where it passes its work on; docs/why/architecture.md has the table. Without
  # a queue a function is invoked directly; one that can be public gets reserved concurrency, which
  # caps what a flood of requests can cost.
  stages = {
    ingest = {
      description     = "Plans the pages of a run and publishes a job for each."
      memory_mb       = 512
      timeout_seconds = 300
      publishes       = "page-jobs"
    }
    fetch = {
      description         = "Fetches one page of a source and keeps it as it came."
      memory_mb           = 512
      timeout_seconds     = 300 # after two minutes a page hands on what it has not read; a call may take as long
      consumes            = "page-jobs"
      publishes           = "derive-jobs"
      batch_size          = 1
      maximum_concurrency = 2 # a source deserves politeness
    }
    derive = {
      description         = "Turns raw records into canonical entities and edges."
      memory_mb           = 512
      timeout_seconds     = 120
      consumes            = "derive-jobs"
      publishes           = "chunk-jobs"
      batch_size          = 10
      maximum_concurrency = 5
      in_vpc              = true
    }
    chunker = {
      description         = "Cuts the entities' text into chunks."
      memory_mb           = 512
      timeout_seconds     = 120
      consumes            = "chunk-jobs"
      publishes           = "embed-jobs"
      batch_size          = 10
      maximum_concurrency = 5
      in_vpc              = true
    }
    embedder = {
      description          = "Embeds chunks and builds a shard of them."
      memory_mb            = 3008
      timeout_seconds      = 300
      ephemeral_storage_mb = 2048
      consumes             = "embed-jobs"
      publishes            = "index-jobs"
      batch_size           = 1
      maximum_concurrency  = 20
      in_vpc               = true
      uses_model           = true
    }
    indexer = {
      description                     = "Commits finished shards to the manifest, many at a time."
      memory_mb                       = 512
      timeout_seconds                 = 120
      consumes                        = "index-jobs"
      batch_size                      = 100
      maximum_batching_window_seconds = 5
      maximum_concurrency             = 2 # committers only get in each other's way
      in_vpc                          = true
    }
    compactor = {
      description          = "Keeps indexes small and clean: merges shards, sweeps, collects garbage."
      memory_mb            = 3008 # all that a new account may have: 1.7 processors, room for the largest shard that may be set
      timeout_seconds      = 900
      ephemeral_storage_mb = 4096 # the shards of a merge, and what they become
      consumes             = "compact-jobs"
      batch_size           = 1
      maximum_concurrency  = 2
      in_vpc               = true
      uses_model           = true
    }
    retrieve = {
      description          = "Answers GET /retrieve from the live index."
      memory_mb            = 2048
      timeout_seconds      = 29 # longer than the 24 seconds for which a spread search waits for its groups
      ephemeral_storage_mb = 4096
      reserved_concurrency = 10
      in_vpc               = true
      uses_model           = true
    }
    orchestrator = {
      description          = "Answers POST /chat with sentences from what retrieve found."
      memory_mb            = 1024
      timeout_seconds      = 29
      reserved_concurrency = 5
      in_vpc               = true
    }
  }

  # Every setting of every function.
  function_defaults = {
    for name, stage in local.stages : name => merge(
      {
        ephemeral_storage_mb            = 512
        consumes                        = null
        publishes                       = null
        batch_size                      = null
        maximum_batching_window_seconds = 0
        maximum_concurrency             = null
        reserved_concurrency            = null
        in_vpc                          = false
        uses_model                      = false
      },
      stage,
    )
  }

  # The variables that are maps: each key that may be set, with what holds where it is left out. As
  # objects with optional attributes they would lose a misspelt key without a word.
  setting_defaults = {
    function_settings = {
      memory_mb                       = null
      timeout_seconds                 = null
      ephemeral_storage_mb            = null
      batch_size                      = null
      maximum_batching_window_seconds = null
      maximum_concurrency             = null
      reserved_concurrency            = null
    }
    index_maintenance = {
      compaction_fan_in   = 8
      shard_minimum_mb    = 25
      shard_maximum_mb    = 200
      history_kept_days   = 7
      removed_grace_hours = 24
      orphan_grace_days   = 21
    }
    lifecycle_rules = {
      noncurrent_version_days = 30
      unfinished_upload_days  = 7
    }
    api_throttle = {
      plan_rate_per_second  = 5
      plan_burst            = 10
      plan_requests_per_day = null
      stage_rate_per_second = 50
      stage_burst           = 100
      open_rate_per_second  = 1
      open_burst            = 5
    }
  }

  # The environment that locals.tf gives to functions.
  own_environment = [
    "AWS_ENDPOINT_URL", "BUCKET_NAME", "CACHE_LIMIT_MB", "CHECKPOINT_TABLE", "COMPACTION_FAN_IN", "COMPACT_QUEUE_URL",
    "CORPORA_PARAMETER_PATH", "DEFAULT_CORPUS", "GROUP_FUNCTION_NAME", "HISTORY_KEPT_DAYS", "LOG_LEVEL",
    "MAXIMUM_RECEIVES", "MEMORY_BUDGET_MB", "MODEL_DIR", "MODEL_PREFIX", "MODEL_PREFIXES", "NEXT_QUEUE_URL",
    "OPENBLAS_NUM_THREADS", "ORPHAN_GRACE_DAYS", "OUTBOUND_ALLOWED_HOSTS", "PLANNING_LEASE_SECONDS",
    "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_TRACE_DISABLED", "PUBLISH_COPIES",
    "QUEUE_URL", "REMOVED_GRACE_HOURS", "RETRIEVE_FUNCTION_NAME", "RETRY_DELAY_SECONDS", "SHARD_MAXIMUM_MB",
    "SHARD_MINIMUM_MB", "SOURCE_SECRET_PREFIX", "STAGE_QUEUE_URLS", "WORK_DIR",
  ]

  # What only the mapping of a queue has.
  mapping_settings = ["batch_size", "maximum_batching_window_seconds", "maximum_concurrency"]
}

# EventBridge would refuse anything else, but only in the middle of an apply.
locals {
  cron_values = {
    minute       = "[0-5]?[0-9]"
    hour         = "([01]?[0-9]|2[0-3])"
    day_of_month = "(0?[1-9]|[12][0-9]|3[01])"
    month        = "(0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC))"
    day_of_week  = "([1-7]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT))"
    year         = "(19[7-9][0-9]|2[01][0-9]{2})"
  }
  cron_items = { for field, value in local.cron_values : field => "(\\*|${value}(-${value})?)(/[1-9][0-9]*)?" }
  cron       = { for field, item in local.cron_items : field => "${item}(,${item})*" }

  # One of the two days is `?`: EventBridge takes neither two days nor none.
  cron_days = join("|", [
    "(${local.cron.day_of_month}|LW?|${local.cron_values.day_of_month}W) ${local.cron.month} \\?",
    "\\? ${local.cron.month} (${local.cron.day_of_week}|L|${local.cron_values.day_of_week}(L|#[1-5]))",
  ])
  rate_pattern     = "rate\\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\\)"
  schedule_pattern = "^(cron\\(${local.cron.minute} ${local.cron.hour} (${local.cron_days}) ${local.cron.year}\\)|${local.rate_pattern})$"
}
