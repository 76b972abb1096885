data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  partition  = data.aws_partition.current.partition
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.id

  # Names of buckets are known in all accounts and regions.
  default_bucket_name = (
    var.name_prefix == "ultron"
    ? "ultron-embeddings-${local.account_id}"
    : "${var.name_prefix}-embeddings-${local.account_id}-${local.region}"
  )

  # ARNs are spelled out from names: policies are then known at plan time and wait for nothing.
  bucket_name           = coalesce(var.bucket_name, local.default_bucket_name)
  bucket_arn            = "arn:${local.partition}:s3:::${local.bucket_name}"
  table_name            = coalesce(var.checkpoint_table, "${var.name_prefix}-checkpoints")
  table_arn             = "arn:${local.partition}:dynamodb:${local.region}:${local.account_id}:table/${local.table_name}"
  queue_arn_prefix      = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:"
  function_arn_prefix   = "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:"
  rule_arn_prefix       = "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/"
  log_group_arn_prefix  = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:"
  parameter_arn_prefix  = "arn:${local.partition}:ssm:${local.region}:${local.account_id}:parameter"
  secret_arn_prefix     = "arn:${local.partition}:secretsmanager:${local.region}:${local.account_id}:secret:"
  schedule_dead_letters = "${var.name_prefix}-ingest-dlq"

  corpora_path   = "/${var.name_prefix}/corpora"
  default_corpus = coalesce(var.default_corpus, sort(keys(module.corpora.corpora))[0])

  source_secret_prefix = "${var.name_prefix}/sources/"
  source_secret_values = nonsensitive(var.marvel_public_key == "" || var.marvel_private_key == "") ? {} : {
    marvel = jsonencode({ public_key = var.marvel_public_key, private_key = var.marvel_private_key })
  }

  # Folders of the deployed models by id; a corpus that names none has the default one.
  default_model = jsondecode(file("${var.model_directory}/model.json")).identity.id
  model_directories = {
    for directory in concat([var.model_directory], var.additional_model_directories) :
    jsondecode(file("${directory}/model.json")).identity.id => directory
  }
  model_prefixes = { for id, model in module.models : id => model.prefix }

  bundles = jsondecode(file("${var.bundle_directory}/bundles.json"))

  functions = {
    for name, defaults in local.function_defaults : name => merge(
      defaults,
      { for setting, value in try(var.function_settings[name], {}) : setting => value if value != null },
    )
  }

  # In the order in which a page passes them. A run that none of them holds a message of stands still.
  line = ["page-jobs", "derive-jobs", "chunk-jobs", "embed-jobs", "index-jobs", "compact-jobs"]

  # All of the line may ask for work on a whole index: a run that ends for a sweep, the indexer for
  # compactions, and the compactor for its own next step.
  asks_for_maintenance = ["ingest", "fetch", "derive", "chunker", "embedder", "indexer", "compactor"]

  # What was set of each, over its defaults; null is as good as left out.
  api_throttle      = merge(local.setting_defaults.api_throttle, { for name, value in var.api_throttle : name => value if value != null })
  index_maintenance = merge(local.setting_defaults.index_maintenance, { for name, value in var.index_maintenance : name => value if value != null })
  lifecycle_rules = var.lifecycle_rules == null ? null : merge(
    local.setting_defaults.lifecycle_rules,
    { for name, value in coalesce(var.lifecycle_rules, {}) : name => value if value != null },
  )

  compaction_settings = {
    COMPACTION_FAN_IN = tostring(local.index_maintenance.compaction_fan_in)
    SHARD_MINIMUM_MB  = tostring(local.index_maintenance.shard_minimum_mb)
    SHARD_MAXIMUM_MB  = tostring(local.index_maintenance.shard_maximum_mb)
  }

  garbage_settings = {
    HISTORY_KEPT_DAYS   = tostring(local.index_maintenance.history_kept_days)
    REMOVED_GRACE_HOURS = tostring(local.index_maintenance.removed_grace_hours)
    ORPHAN_GRACE_DAYS   = tostring(local.index_maintenance.orphan_grace_days)
  }

  # With SnapStart only a published version starts from a snapshot, so callers use an alias of it.
  snap_start_alias   = "live"
  retrieve_qualifier = var.enable_snap_start ? local.snap_start_alias : null
  retrieve_called_as = join(":", compact([local.function_names.retrieve, local.retrieve_qualifier]))

  # The models lie in /tmp too, which for the least of it is more than the 15 % that are left.
  models_mb = ceil(sum(flatten([
    for directory in values(local.model_directories) :
    [for file in jsondecode(file("${directory}/model.json")).files : file.size_bytes]
  ])) / 1000000)
  retrieve_cache_limit_mb = min(
    floor(local.functions.retrieve.ephemeral_storage_mb * 0.85),
    local.functions.retrieve.ephemeral_storage_mb - max(160, local.models_mb + 20),
  )

  function_names = { for name in keys(local.functions) : name => "${var.name_prefix}-${name}" }

  # A queue for each function that has one. A message stays hidden for six times as long as its
  # function may run, and for the time in which a batch is gathered, as AWS advises: otherwise it
  # would be received again while it is still being worked on.
  queues = {
    for name, settings in local.functions : settings.consumes => {
      function                   = name
      visibility_timeout_seconds = 6 * settings.timeout_seconds + settings.maximum_batching_window_seconds
    } if settings.consumes != null
  }

  routes = {
    retrieve = { path = "retrieve", method = "GET", function = "retrieve", key_required = true }
    chat     = { path = "chat", method = "POST", function = "orchestrator", key_required = true }
    health   = { path = "health", method = "GET", function = "retrieve", key_required = false }
  }

  # The settings of the functions; docs/why/architecture.md says what each means and who reads it.
  environments = {
    for name, settings in local.functions : name => { for key, value in merge(
      {
        BUCKET_NAME                  = local.bucket_name
        POWERTOOLS_SERVICE_NAME      = name
        POWERTOOLS_METRICS_NAMESPACE = var.name_prefix
        POWERTOOLS_TRACE_DISABLED    = var.tracing_enabled ? null : "true"
        LOG_LEVEL                    = var.log_level
        AWS_ENDPOINT_URL             = var.endpoint_url
      },
      name == "retrieve" ? {} : { CHECKPOINT_TABLE = local.table_name },
      contains(local.reads_corpora, name) ? { CORPORA_PARAMETER_PATH = local.corpora_path } : {},
      settings.publishes == null ? {} : {
        NEXT_QUEUE_URL = module.queues[settings.publishes].url
        PUBLISH_COPIES = tostring(var.publish_copies)
      },
      settings.consumes == null ? {} : {
        QUEUE_URL           = module.queues[settings.consumes].url
        MAXIMUM_RECEIVES    = tostring(var.maximum_receives)
        RETRY_DELAY_SECONDS = tostring(var.retry_delay_seconds)
      },
      contains(local.asks_for_maintenance, name) ? { COMPACT_QUEUE_URL = module.queues["compact-jobs"].url } : {},
      contains(["indexer", "compactor"], name) ? local.compaction_settings : {},
      name == "compactor" ? merge(local.garbage_settings, { WORK_DIR = "/tmp/compactor" }) : {},
      settings.uses_model || name == "ingest" ? {
        MODEL_PREFIX   = local.model_prefixes[local.default_model]
        MODEL_PREFIXES = jsonencode(local.model_prefixes)
      } : {},
      settings.uses_model ? { OPENBLAS_NUM_THREADS = "1" } : {},
      # While a run is planned it may seem dead for no longer than its planner can live.
      name == "ingest" ? {
        PLANNING_LEASE_SECONDS = tostring(settings.timeout_seconds + 30)
        STAGE_QUEUE_URLS       = jsonencode([for queue in local.line : module.queues[queue].url])
      } : {},
      contains(["embedder", "retrieve"], name) ? { MODEL_DIR = var.model_cache_directory } : {},
      contains(local.calls_sources, name) ? {
        SOURCE_SECRET_PREFIX   = local.source_secret_prefix
        OUTBOUND_ALLOWED_HOSTS = try(coalesce(join(",", var.outbound_allowed_hosts)), null)
      } : {},
      name == "orchestrator" ? { RETRIEVE_FUNCTION_NAME = local.retrieve_called_as } : {},
      name == "retrieve" ? {
        CACHE_LIMIT_MB   = tostring(local.retrieve_cache_limit_mb)
        MEMORY_BUDGET_MB = var.retrieve_memory_budget_mb == null ? null : tostring(var.retrieve_memory_budget_mb)
        # Its own name leads past the alias, to where there is no snapshot.
        GROUP_FUNCTION_NAME = local.retrieve_qualifier == null ? null : local.retrieve_called_as
      } : {},
      contains(["retrieve", "orchestrator"], name) ? { DEFAULT_CORPUS = local.default_corpus } : {},
    ) : key => value if value != null }
  }
}

locals {
  deployment = {
    api = {
      id     = module.api.id
      stage  = module.api.stage_name
      url    = module.api.url
      key_id = module.api.key_id
    }
    bucket_name            = local.bucket_name
    checkpoint_table       = local.table_name
    corpora_parameter_path = local.corpora_path
    default_corpus         = local.default_corpus
    functions              = local.function_names
    queue_urls             = { for name, queue in module.queues : name => queue.url }
    dead_letter_queue_urls = local.dead_letter_queue_urls
    model                  = module.models[local.default_model].identity
    models                 = local.model_identities
    name_prefix            = var.name_prefix
    schedule               = local.schedule
  }

  model_identities = { for id, model in module.models : id => model.identity }

  # What `ultron corpus add` needs to make a corpus's rules; null where they would not fire.
  schedule = {
    ingest_function_arn = module.functions["ingest"].arn
    dead_letter_arn     = module.schedule.dead_letter_arn
    compact_queue_arn   = module.queues["compact-jobs"].arn
    rule_prefix         = var.name_prefix
    default_incremental = var.schedule_enabled ? var.schedule_expression : null
    maintenance         = var.maintenance_schedule_enabled ? var.maintenance_schedule_expression : null
  }

  dead_letter_queue_urls = merge(
    { for name, queue in module.queues : name => queue.dead_letter_url },
    { ingest = module.schedule.dead_letter_url },
  )
}
