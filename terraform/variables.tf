# Where ------------------------------------------------------------------------------------------

variable "expected_account_id" {
  description = "The account to deploy to: with credentials of another one, nothing is planned. 000000000000 on a local AWS."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.expected_account_id))
    error_message = "expected_account_id must be the 12 digits of an AWS account; `make preflight` shows the one you are in."
  }
}

variable "region" {
  description = "Region to deploy to; null takes AWS_DEFAULT_REGION or the profile's."
  type        = string
  default     = null
}

variable "endpoint_url" {
  description = "Endpoint of a local AWS, given to the functions as AWS_ENDPOINT_URL; null on AWS. Set AWS_ENDPOINT_URL for Terraform itself too."
  type        = string
  default     = null

  validation {
    condition     = var.endpoint_url == null || can(regex("^https?://[^/\\s]+$", var.endpoint_url))
    error_message = "endpoint_url must look like http://127.0.0.1:4566, without a path."
  }
}

# Names ------------------------------------------------------------------------------------------

variable "name_prefix" {
  description = "First part of every name: deployments of one account have different ones, or different regions."
  type        = string
  default     = "ultron"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name_prefix))
    error_message = "name_prefix must be 2 to 20 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "bucket_name" {
  description = "Name of the bucket; null makes it `<name_prefix>-embeddings-<account>-<region>`, and `ultron-embeddings-<account>` for the prefix `ultron`. Another name is another bucket: give a deployment that has one the name of that."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_name == null || can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name must be 3 to 63 lower-case letters, digits and hyphens (a dot would break TLS)."
  }
}

variable "checkpoint_table" {
  description = "Name of the DynamoDB table; null makes it `<name_prefix>-checkpoints`."
  type        = string
  default     = null

  validation {
    condition     = var.checkpoint_table == null || can(regex("^[A-Za-z0-9_.-]{3,255}$", var.checkpoint_table))
    error_message = "checkpoint_table must be 3 to 255 letters, digits, underscores, dots and hyphens."
  }
}

variable "tags" {
  description = "Tags of every resource, besides `project` and `deployment`."
  type        = map(string)
  default     = {}
}

# What is deployed -------------------------------------------------------------------------------

variable "bundle_directory" {
  description = "Folder that scripts/build_bundles.py wrote: `bundles.json` and the zips it names."
  type        = string

  validation {
    condition     = fileexists("${var.bundle_directory}/bundles.json")
    error_message = "bundle_directory holds no bundles.json; build the bundles first (scripts/build_bundles.py)."
  }

  # The functions of a local AWS run on the Python of its machine, whatever the runtime is called.
  validation {
    condition = alltrue([
      for bundles in try([jsondecode(file("${var.bundle_directory}/bundles.json"))], []) :
      bundles.architecture == var.architecture && (var.endpoint_url != null || bundles.runtime == var.runtime && bundles.target != "local")
    ])
    error_message = join(" ", concat(
      [for bundles in try([jsondecode(file("${var.bundle_directory}/bundles.json"))], []) : "bundle_directory holds bundles of the target ${bundles.target} for ${bundles.architecture} and ${bundles.runtime}."],
      ["The variables architecture and runtime say ${var.architecture} and ${var.runtime}, so no function could start: set them, or build other bundles (`make bundles TARGET=aws`, which are for arm64)."],
    ))
  }
}

variable "model_directory" {
  description = "Folder that scripts/build_model.py wrote: `model.json` and the files it names."
  type        = string

  validation {
    condition     = fileexists("${var.model_directory}/model.json")
    error_message = "model_directory holds no model.json; build the model first (scripts/build_model.py)."
  }
}

variable "additional_model_directories" {
  description = "Folders like model_directory, of further models that a corpus can name as its `model`."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for directory in var.additional_model_directories : fileexists("${directory}/model.json")])
    error_message = "additional_model_directories names folders without a model.json: ${join(", ", [for directory in var.additional_model_directories : directory if !fileexists("${directory}/model.json")])}. Build the models first (scripts/build_model.py)."
  }

  validation {
    condition = try(length(distinct([
      for directory in concat([var.model_directory], var.additional_model_directories) : jsondecode(file("${directory}/model.json")).identity.id
    ])) == 1 + length(var.additional_model_directories), false)
    error_message = "model_directory and additional_model_directories must hold models of different ids: a corpus names its model by the id."
  }
}

variable "architecture" {
  description = "Instruction set of functions and layers; the bundles must be built for it."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "runtime" {
  description = "Lambda runtime; the bundles must be built for it."
  type        = string
  default     = "python3.12"

  validation {
    condition     = can(regex("^python3\\.1[2-9]$", var.runtime))
    error_message = "runtime must be python3.12 or later."
  }
}

variable "extra_layer_arns" {
  description = "Further layers by function, such as one with llama.cpp or shared libraries: {orchestrator = [\"arn:…\"]}."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.extra_layer_arns), keys(local.stages))) == 0
    error_message = "extra_layer_arns names a function that there is none of: ${join(", ", setsubtract(keys(var.extra_layer_arns), keys(local.stages)))}."
  }

  validation {
    condition = alltrue([
      for arn in flatten(values(var.extra_layer_arns)) : can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$", arn))
    ])
    error_message = "extra_layer_arns must be ARNs of layer versions: arn:aws:lambda:<region>:<account>:layer:<name>:<version>."
  }

  validation {
    condition     = alltrue([for arn in flatten(values(var.extra_layer_arns)) : try(split(":", arn)[3] == local.region, true)])
    error_message = "extra_layer_arns must be of the region of the deployment, ${local.region}: Lambda takes no layers of another."
  }
}

variable "extra_statements" {
  description = "What else a function may do, by function, such as using a key or reading a bucket of yours: {fetch = [{actions = [\"kms:Decrypt\"], resources = [\"arn:…\"]}]}; `conditions` as in a policy: {StringEquals = {key = [values]}}."
  type = map(list(object({
    actions    = list(string)
    resources  = list(string)
    conditions = optional(map(map(list(string))))
  })))
  default  = {}
  nullable = false

  validation {
    condition     = length(setsubtract(keys(var.extra_statements), keys(local.stages))) == 0
    error_message = "extra_statements names a function that there is none of: ${join(", ", setsubtract(keys(var.extra_statements), keys(local.stages)))}."
  }

  validation {
    condition = alltrue(flatten([
      for statement in flatten(values(var.extra_statements)) : concat(
        [length(statement.actions) > 0, length(statement.resources) > 0],
        [for action in statement.actions : can(regex("^[a-z0-9-]+:[A-Za-z*]+$", action))],
        [for resource in statement.resources : can(regex("^(\\*|arn:[a-z-]+:.+)$", resource))],
      )
    ]))
    error_message = "Each of extra_statements needs actions such as kms:Decrypt and resources that are ARNs, or `*` for services that know none."
  }
}

variable "extra_environment" {
  description = "Further environment variables by function, such as settings that have no variable here: {retrieve = {MANIFEST_RECHECK_SECONDS = \"30\"}}."
  type        = map(map(string))
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.extra_environment), keys(local.stages))) == 0
    error_message = "extra_environment names a function that there is none of: ${join(", ", setsubtract(keys(var.extra_environment), keys(local.stages)))}."
  }

  validation {
    condition = alltrue(flatten([
      for variables in values(var.extra_environment) : [
        for name in keys(variables) : can(regex("^[A-Za-z][A-Za-z0-9_]*$", name)) && !startswith(name, "AWS_") && !contains(local.own_environment, name)
      ]
    ]))
    error_message = "extra_environment cannot have names that Lambda reserves (AWS_…), or that this configuration sets itself: ${join(", ", local.own_environment)}."
  }
}

variable "role_path" {
  description = "Path of the roles, where the account's policies tell roles by it; another path replaces the roles."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-.0-~]+/)*$", var.role_path)) && length(var.role_path) <= 512
    error_message = "role_path must begin and end with a slash: /teams/search/."
  }
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the roles may do, where the account requires one."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy: arn:aws:iam::<account>:policy/<name>."
  }
}

variable "function_settings" {
  description = "Changes to the functions' defaults in defaults.tf, by function. Units are in the names; maximum_concurrency counts the batches a queue hands out at once, reserved_concurrency the environments a function may have (-1 reserves none)."
  type        = map(map(number))
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.function_settings), keys(local.stages))) == 0
    error_message = "function_settings names a function that there is none of: ${join(", ", setsubtract(keys(var.function_settings), keys(local.stages)))}."
  }

  validation {
    condition = alltrue([
      for settings in values(var.function_settings) : length(setsubtract(keys(settings), keys(local.setting_defaults.function_settings))) == 0
    ])
    error_message = "function_settings has settings that there are none of: ${join(", ", setsubtract(flatten([for settings in values(var.function_settings) : keys(settings)]), keys(local.setting_defaults.function_settings)))}. There are ${join(", ", keys(local.setting_defaults.function_settings))}."
  }

  validation {
    condition = alltrue([
      for name, settings in var.function_settings : length(setintersection(compact([for setting, value in settings : value == null ? "" : setting]), local.mapping_settings)) == 0
      if try(local.function_defaults[name].consumes == null, false)
    ])
    error_message = "function_settings gives ${join(", ", local.mapping_settings)} to a function that consumes no queue: ${join(", ", [for name, settings in var.function_settings : name if try(local.function_defaults[name].consumes == null, false)])}."
  }

  validation {
    condition     = alltrue(flatten([for settings in values(var.function_settings) : [for value in values(settings) : floor(value) == value if value != null]]))
    error_message = "The settings of function_settings must be whole numbers."
  }

  validation {
    condition = alltrue([
      for settings in values(var.function_settings) :
      try(settings.memory_mb >= 128 && settings.memory_mb <= 10240, true)
      && try(settings.timeout_seconds >= 1 && settings.timeout_seconds <= 900, true)
      && try(settings.ephemeral_storage_mb >= 512 && settings.ephemeral_storage_mb <= 10240, true)
      && try(settings.reserved_concurrency >= -1, true)
    ])
    error_message = "Lambda allows 128 to 10240 for memory_mb, 1 to 900 for timeout_seconds, 512 to 10240 for ephemeral_storage_mb, -1 or more for reserved_concurrency."
  }

  validation {
    condition = alltrue([
      for settings in values(var.function_settings) :
      try(settings.batch_size >= 1 && settings.batch_size <= 10000, true)
      && try(settings.maximum_batching_window_seconds >= 0 && settings.maximum_batching_window_seconds <= 300, true)
      && try(settings.maximum_concurrency >= 2 && settings.maximum_concurrency <= 1000, true)
    ])
    error_message = "SQS mappings allow 1 to 10000 for batch_size, 0 to 300 for maximum_batching_window_seconds, 2 to 1000 for maximum_concurrency."
  }

  validation {
    condition = alltrue([
      for name, settings in var.function_settings :
      try(coalesce(settings.batch_size), local.function_defaults[name].batch_size) <= 10
      || try(coalesce(settings.maximum_batching_window_seconds), local.function_defaults[name].maximum_batching_window_seconds) >= 1
      if try(local.function_defaults[name].consumes != null, false)
    ])
    error_message = "A batch_size of more than 10 needs a maximum_batching_window_seconds of at least 1: in a single answer SQS gives 10 messages at most."
  }

  validation {
    condition = alltrue([
      for name, settings in var.function_settings : try(settings.reserved_concurrency == -1, true) || try(
        settings.reserved_concurrency >= try(coalesce(settings.maximum_concurrency), local.function_defaults[name].maximum_concurrency),
        true,
      )
    ])
    error_message = "A reserved_concurrency below maximum_concurrency would let Lambda receive messages that it then cannot run, until they are in the dead-letter queue: lower maximum_concurrency too."
  }

  validation {
    condition     = alltrue([for name in ["retrieve", "orchestrator"] : try(var.function_settings[name].timeout_seconds <= 29, true)])
    error_message = "retrieve and orchestrator answer through API Gateway, which waits 29 seconds at most."
  }

  validation {
    condition     = try(var.function_settings.fetch.timeout_seconds >= 240, true)
    error_message = "fetch needs 240 seconds at least: a page of several calls hands on after two minutes what it has not read, and a call may take as long again; cut off, it would keep nothing."
  }
}

variable "publish_copies" {
  description = "How often each stage sends each message: 1. More is the delivery drill of the end-to-end tests."
  type        = number
  default     = 1

  validation {
    condition     = var.publish_copies >= 1 && var.publish_copies <= 3 && floor(var.publish_copies) == var.publish_copies
    error_message = "publish_copies must be a whole number from 1 to 3."
  }
}

variable "maximum_receives" {
  description = "Receives at which a message is worked on. After one more, at which it is only recorded that its workers died, it goes to its dead-letter queue."
  type        = number
  default     = 5

  validation {
    condition     = var.maximum_receives >= 2 && var.maximum_receives <= 999 && floor(var.maximum_receives) == var.maximum_receives
    error_message = "maximum_receives must be a whole number from 2 to 999: with 1, a single throttled invocation would give a message up."
  }
}

variable "retry_delay_seconds" {
  description = "After how long a failed message first comes back; the delay doubles with each receive."
  type        = number
  default     = 10

  validation {
    condition     = var.retry_delay_seconds >= 0 && var.retry_delay_seconds <= 900 && floor(var.retry_delay_seconds) == var.retry_delay_seconds
    error_message = "retry_delay_seconds must be a whole number from 0 to 900."
  }
}

variable "model_cache_directory" {
  description = "Where a function keeps the model and the shards it has fetched. On AWS only /tmp is writable; a local AWS needs its own folder."
  type        = string
  default     = "/tmp/model"

  validation {
    condition     = startswith(var.model_cache_directory, "/")
    error_message = "model_cache_directory must be an absolute path."
  }
}

# The index ---------------------------------------------------------------------------------------

variable "index_maintenance" {
  description = "How indexes are kept small and clean. Shards below shard_minimum_mb are merged compaction_fan_in at a time, none to more than shard_maximum_mb. history_kept_days is how far back an index can be restored; removed_grace_hours and orphan_grace_days say for how long a file must have been out of use before it is deleted: one that an index once named, and one that none ever did."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.index_maintenance), keys(local.setting_defaults.index_maintenance))) == 0
    error_message = "index_maintenance has settings that there are none of: ${join(", ", setsubtract(keys(var.index_maintenance), keys(local.setting_defaults.index_maintenance)))}. There are ${join(", ", keys(local.setting_defaults.index_maintenance))}."
  }

  validation {
    condition     = alltrue([for setting in values(var.index_maintenance) : floor(setting) == setting if setting != null])
    error_message = "The settings of index_maintenance must be whole numbers."
  }

  validation {
    condition     = try(var.index_maintenance.compaction_fan_in >= 2 && var.index_maintenance.compaction_fan_in <= 64, true)
    error_message = "index_maintenance.compaction_fan_in must be 2 to 64."
  }

  validation {
    condition = alltrue([
      try(var.index_maintenance.shard_minimum_mb >= 1, true),
      try(coalesce(var.index_maintenance.shard_minimum_mb), local.setting_defaults.index_maintenance.shard_minimum_mb)
      <= try(coalesce(var.index_maintenance.shard_maximum_mb), local.setting_defaults.index_maintenance.shard_maximum_mb),
      try(var.index_maintenance.shard_maximum_mb <= 1024, true),
    ])
    error_message = "index_maintenance needs 1 <= shard_minimum_mb <= shard_maximum_mb <= 1024: the compactor has no memory or disk for larger ones."
  }

  validation {
    condition     = try(var.index_maintenance.history_kept_days >= 0, true)
    error_message = "index_maintenance.history_kept_days counts from 0."
  }

  validation {
    condition     = try(var.index_maintenance.removed_grace_hours >= 1, true)
    error_message = "index_maintenance.removed_grace_hours must be at least 1: a search that began before a merge still reads what the merge replaced."
  }

  # 4 days in a queue and 14 in its dead-letter queue, see modules/queue.
  validation {
    condition     = try(var.index_maintenance.orphan_grace_days >= 18, true)
    error_message = "index_maintenance.orphan_grace_days must be at least 18: for so long a message that names a shard can lie in a queue and its dead-letter queue."
  }
}

variable "retrieve_memory_budget_mb" {
  description = "How much of an index one environment of retrieve searches; a larger one is searched by several at once, which count against its reserved concurrency. null is 60 % of its memory."
  type        = number
  default     = null

  validation {
    condition     = var.retrieve_memory_budget_mb == null || try(var.retrieve_memory_budget_mb > 0 && var.retrieve_memory_budget_mb <= 10240, false)
    error_message = "retrieve_memory_budget_mb must be more than 0, and at most 10240."
  }
}

variable "enable_snap_start" {
  description = "Whether retrieve starts from snapshots of its published versions; AWS allows that with 512 MB of /tmp only, so function_settings must set retrieve's ephemeral_storage_mb to 512."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.enable_snap_start || try(var.function_settings.retrieve.ephemeral_storage_mb == 512, false)
    error_message = "enable_snap_start needs function_settings = { retrieve = { ephemeral_storage_mb = 512 } }: a snapshot holds no more."
  }
}

# Keeping data -----------------------------------------------------------------------------------

variable "force_destroy" {
  description = "Whether `destroy` deletes a bucket that still holds objects. Left false, S3 refuses and the data is retained."
  type        = bool
  default     = false
}

variable "deletion_protection_enabled" {
  description = "Whether DynamoDB refuses to delete the table; switch it off before a `destroy` that is meant."
  type        = bool
  default     = true
}

variable "lifecycle_rules" {
  description = "Days after which old object versions and unfinished uploads go; null sets no rules (the provider waits a minute for them, which a local stack can spare)."
  type        = map(number)
  default     = {}

  validation {
    condition     = length(setsubtract(try(keys(var.lifecycle_rules), []), keys(local.setting_defaults.lifecycle_rules))) == 0
    error_message = "lifecycle_rules has settings that there are none of: ${join(", ", setsubtract(try(keys(var.lifecycle_rules), []), keys(local.setting_defaults.lifecycle_rules)))}. There are ${join(", ", keys(local.setting_defaults.lifecycle_rules))}."
  }

  validation {
    condition     = alltrue([for days in try(values(var.lifecycle_rules), []) : days >= 1 && floor(days) == days if days != null])
    error_message = "lifecycle_rules count whole days from 1."
  }
}

# The API ----------------------------------------------------------------------------------------

variable "api_key_value" {
  description = "Value of the API key, 20 to 128 characters; null lets AWS make one."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.api_key_value == null || can(regex("^[A-Za-z0-9_-]{20,128}$", var.api_key_value))
    error_message = "api_key_value must be 20 to 128 letters, digits, hyphens and underscores."
  }
}

variable "api_throttle" {
  description = "Requests a second, and the burst, of each API key (plan) and of each method for all callers together (stage), and of `GET /health`, which needs no key (open): anyone who finds it may cost you that many requests. plan_requests_per_day caps what a key may cost; by default it is as much as the rate allows."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.api_throttle), keys(local.setting_defaults.api_throttle))) == 0
    error_message = "api_throttle has settings that there are none of: ${join(", ", setsubtract(keys(var.api_throttle), keys(local.setting_defaults.api_throttle)))}. There are ${join(", ", keys(local.setting_defaults.api_throttle))}."
  }

  validation {
    condition     = alltrue([for limit in values(var.api_throttle) : limit > 0 if limit != null])
    error_message = "The limits of api_throttle must be positive."
  }

  validation {
    condition     = alltrue([for name, limit in var.api_throttle : floor(limit) == limit if limit != null && !endswith(name, "rate_per_second")])
    error_message = "The bursts of api_throttle, and plan_requests_per_day, must be whole numbers."
  }
}

variable "api_access_logs_enabled" {
  description = "Whether API Gateway writes access logs. It does so by a role of the account in the region; terraform/account/ sets one where there is none."
  type        = bool
  default     = false
  nullable    = false
}

# Running it -------------------------------------------------------------------------------------

variable "log_level" {
  description = "Lowest level that the functions log."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level must be DEBUG, INFO, WARNING or ERROR."
  }
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 30

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days,
    )
    error_message = "log_retention_days must be one of the periods CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557 (seven years), 2922, 3288, 3653 (ten years)."
  }
}

variable "tracing_enabled" {
  description = "Whether X-Ray records functions and requests. X-Ray knows no resources, so this attaches AWS's own AWSXRayDaemonWriteAccess to the roles."
  type        = bool
  default     = true
}

variable "alarms_enabled" {
  description = "Whether there are alarms. CloudWatch bills those beyond ten, idle or not."
  type        = bool
  default     = true
}

variable "alarm_topic_arns" {
  description = "SNS topics that receive a message at every change of an alarm."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$", arn))])
    error_message = "alarm_topic_arns must be ARNs of SNS topics."
  }

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : try(split(":", arn)[3] == local.region, true)])
    error_message = "alarm_topic_arns must be of the region of the deployment, ${local.region}: an alarm tells no topic of another."
  }
}

variable "alarm_emails" {
  description = "Addresses that receive an e-mail at every change of an alarm; AWS asks each once whether it agrees."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alarm_emails must be e-mail addresses: [\"search-team@example.com\"]."
  }
}

variable "monthly_budget_usd" {
  description = "What the deployment may cost a month: at 80 % of it, and when the forecast exceeds it, the addresses of alarm_emails receive an e-mail. Null makes no budget. The account must have the cost allocation tag `deployment`."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null || try(var.monthly_budget_usd > 0, false)
    error_message = "monthly_budget_usd must be more than 0."
  }

  validation {
    condition     = var.monthly_budget_usd == null || length(var.alarm_emails) > 0
    error_message = "monthly_budget_usd needs alarm_emails: no address would receive the e-mail."
  }
}

variable "dashboard_enabled" {
  description = "Whether there are a CloudWatch dashboard and saved queries of the logs. Beyond the free ones of an account, CloudWatch bills a dashboard, idle or not."
  type        = bool
  default     = false
}

variable "oldest_message_alarm_seconds" {
  description = "Age at which a waiting message raises an alarm."
  type        = number
  default     = 3600

  validation {
    condition     = var.oldest_message_alarm_seconds >= 60
    error_message = "oldest_message_alarm_seconds must be at least 60."
  }
}

# Network ----------------------------------------------------------------------------------------

variable "enable_vpc" {
  description = "Whether the functions that need no internet run in private subnets of their own VPC; ingest and fetch stay outside, because they call the source."
  type        = bool
  default     = false
}

variable "vpc_cidr" {
  description = "Address range of the VPC."
  type        = string
  default     = "10.86.0.0/20"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "vpc_cidr must be an IPv4 range from /16 to /24."
  }
}

variable "vpc_zone_count" {
  description = "Availability zones to spread over; interface endpoints are billed in each."
  type        = number
  default     = 2

  validation {
    condition     = var.vpc_zone_count >= 1 && var.vpc_zone_count <= 3
    error_message = "vpc_zone_count must be 1 to 3."
  }
}

variable "vpc_interface_services" {
  description = "Services reached through interface endpoints, billed by the hour. The functions need the three of the default: queues, corpora and the call of retrieve."
  type        = set(string)
  default     = ["sqs", "ssm", "lambda"]

  validation {
    condition     = length(setsubtract(["sqs", "ssm", "lambda"], var.vpc_interface_services)) == 0
    error_message = "vpc_interface_services must hold sqs, ssm and lambda, without which the functions in the VPC cannot work."
  }
}
