module "storage" {
  source = "./modules/storage"

  bucket_name                 = local.bucket_name
  table_name                  = local.table_name
  force_destroy               = var.force_destroy
  deletion_protection_enabled = var.deletion_protection_enabled
  lifecycle_rules             = local.lifecycle_rules
}

module "models" {
  source   = "./modules/model"
  for_each = local.model_directories

  bucket_name = module.storage.bucket_name
  directory   = each.value
}

module "corpora" {
  source = "./modules/corpora"

  name_prefix                 = var.name_prefix
  corpora                     = var.corpora
  schedule_pattern            = local.schedule_pattern
  model_ids                   = keys(local.model_directories)
  secret_values               = local.source_secret_values
  secret_recovery_window_days = var.secret_recovery_window_days
}

module "queues" {
  source   = "./modules/queue"
  for_each = local.queues

  name                       = "${var.name_prefix}-${each.key}"
  arn_prefix                 = local.queue_arn_prefix
  visibility_timeout_seconds = each.value.visibility_timeout_seconds
  maximum_receives           = var.maximum_receives
  sender_rule_arns           = each.key == "compact-jobs" ? ["${local.rule_arn_prefix}${var.name_prefix}-upkeep-*"] : []
}

module "layers" {
  source   = "./modules/layer"
  for_each = local.bundles.layers

  name         = "${var.name_prefix}-${each.key}"
  bucket_name  = module.storage.bucket_name
  zip          = { path = "${var.bundle_directory}/${each.value.file}", sha256_base64 = each.value.sha256_base64 }
  runtime      = var.runtime
  architecture = var.architecture
}

module "network" {
  source = "./modules/network"
  count  = var.enable_vpc ? 1 : 0

  name_prefix        = var.name_prefix
  region             = local.region
  cidr               = var.vpc_cidr
  zone_count         = var.vpc_zone_count
  interface_services = var.vpc_interface_services
  bucket_arn         = local.bucket_arn
  table_arn          = local.table_arn
}

module "functions" {
  source   = "./modules/function"
  for_each = local.functions

  name         = local.function_names[each.key]
  region       = local.region
  description  = each.value.description
  handler      = "services.${each.key}.handler.handler"
  runtime      = var.runtime
  architecture = var.architecture
  bucket_name  = module.storage.bucket_name
  zip = {
    path          = "${var.bundle_directory}/${local.bundles.functions[each.key].file}"
    sha256_base64 = local.bundles.functions[each.key].sha256_base64
  }
  layer_arns = concat(
    [for layer in local.bundles.functions[each.key].layers : module.layers[layer].arn],
    lookup(var.extra_layer_arns, each.key, []),
  )
  memory_mb            = each.value.memory_mb
  timeout_seconds      = each.value.timeout_seconds
  ephemeral_storage_mb = each.value.ephemeral_storage_mb
  reserved_concurrency = each.value.reserved_concurrency
  environment          = merge(local.environments[each.key], lookup(var.extra_environment, each.key, {}))
  statements           = concat(local.statements[each.key], local.extra_statements[each.key])

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn

  log_group_arn      = "${local.log_group_arn_prefix}/aws/lambda/${local.function_names[each.key]}"
  log_retention_days = var.log_retention_days
  tracing_enabled    = var.tracing_enabled
  snap_start_alias   = each.key == "retrieve" ? local.retrieve_qualifier : null
  dead_letter_arn    = each.key == "ingest" ? "${local.queue_arn_prefix}${local.schedule_dead_letters}" : null

  event_source = each.value.consumes == null ? null : {
    queue_arn                       = module.queues[each.value.consumes].arn
    batch_size                      = each.value.batch_size
    maximum_batching_window_seconds = each.value.maximum_batching_window_seconds
    maximum_concurrency             = each.value.maximum_concurrency
  }

  vpc = var.enable_vpc && each.value.in_vpc ? {
    subnet_ids         = module.network[0].subnet_ids
    security_group_ids = module.network[0].security_group_ids
  } : null
}

module "schedule" {
  source = "./modules/schedule"

  name_prefix = var.name_prefix
  corpora = {
    for name, corpus in module.corpora.corpora : name => {
      incremental = try(corpus.schedule, null) == null ? var.schedule_expression : try(corpus.schedule.incremental, null)
      full        = try(corpus.schedule.full, null)
    }
  }
  enabled       = var.schedule_enabled
  function_name = module.functions["ingest"].name
  function_arn  = module.functions["ingest"].arn
  maintenance = {
    schedule_expression = var.maintenance_schedule_expression
    enabled             = var.maintenance_schedule_enabled
    queue_arn           = module.queues["compact-jobs"].arn
  }
  dead_letter_name = local.schedule_dead_letters
  rule_arn_prefix  = local.rule_arn_prefix
  queue_arn_prefix = local.queue_arn_prefix
}

module "api" {
  source = "./modules/api"

  name       = var.name_prefix
  stage_name = "prod"
  routes = {
    for name, route in local.routes : name => {
      path            = route.path
      method          = route.method
      function_name   = module.functions[route.function].name
      qualifier       = route.function == "retrieve" ? local.retrieve_qualifier : null
      invoke_arn      = module.functions[route.function].invoke_arn
      timeout_seconds = local.functions[route.function].timeout_seconds
      key_required    = route.key_required
    }
  }
  api_key_value = var.api_key_value
  plan_throttle = {
    rate_per_second  = local.api_throttle.plan_rate_per_second
    burst            = local.api_throttle.plan_burst
    requests_per_day = coalesce(local.api_throttle.plan_requests_per_day, floor(local.api_throttle.plan_rate_per_second * 86400))
  }
  open_throttle       = { rate_per_second = local.api_throttle.open_rate_per_second, burst = local.api_throttle.open_burst }
  stage_throttle      = { rate_per_second = local.api_throttle.stage_rate_per_second, burst = local.api_throttle.stage_burst }
  log_retention_days  = var.log_retention_days
  tracing_enabled     = var.tracing_enabled
  access_logs_enabled = var.api_access_logs_enabled
}

module "observability" {
  source = "./modules/observability"
  count  = var.alarms_enabled ? 1 : 0

  name_prefix             = var.name_prefix
  queue_names             = [for queue in keys(local.queues) : "${var.name_prefix}-${queue}"]
  dead_letter_queue_names = concat([for queue in keys(local.queues) : "${var.name_prefix}-${queue}-dlq"], [local.schedule_dead_letters])
  function_timeouts_seconds = {
    for name, settings in local.functions : local.function_names[name] => settings.timeout_seconds
  }
  api                    = { name = var.name_prefix, stage = "prod" }
  oldest_message_seconds = var.oldest_message_alarm_seconds
  duration_share         = 0.8
  action_arns            = concat(var.alarm_topic_arns, module.notifications[*].topic_arn)
}

module "notifications" {
  source = "./modules/notifications"
  count  = length(var.alarm_emails) > 0 ? 1 : 0

  name_prefix        = var.name_prefix
  account_id         = local.account_id
  emails             = var.alarm_emails
  monthly_budget_usd = var.monthly_budget_usd
}

module "dashboard" {
  source = "./modules/dashboard"
  count  = var.dashboard_enabled ? 1 : 0

  name_prefix             = var.name_prefix
  region                  = local.region
  function_names          = local.function_names
  log_group_names         = { for name, function in module.functions : name => function.log_group_name }
  queue_names             = [for queue in keys(local.queues) : "${var.name_prefix}-${queue}"]
  dead_letter_queue_names = concat([for queue in keys(local.queues) : "${var.name_prefix}-${queue}-dlq"], [local.schedule_dead_letters])
  table_name              = module.storage.table_name
  bucket_name             = module.storage.bucket_name
  api                     = { name = var.name_prefix, stage = "prod" }
}

# Earlier releases set the account's log role themselves. It stays as it is, since other APIs may use
# it by now: terraform/account can take it over.
removed {
  from = module.api.aws_api_gateway_account.this

  lifecycle {
    destroy = false
  }
}

removed {
  from = module.api.aws_iam_role_policy_attachment.access_log

  lifecycle {
    destroy = false
  }
}

removed {
  from = module.api.aws_iam_role.access_log

  lifecycle {
    destroy = false
  }
}

# What a client needs to find its way, for those who have no Terraform at hand. No key is in it.
resource "aws_ssm_parameter" "deployment" {
  #checkov:skip=CKV2_AWS_34:it holds names and addresses, and no secret
  name           = "/${var.name_prefix}/deployment"
  description    = "Names and addresses of this deployment."
  type           = "String"
  insecure_value = jsonencode(local.deployment)

  lifecycle {
    precondition {
      condition     = contains(keys(module.corpora.corpora), local.default_corpus)
      error_message = "default_corpus is ${local.default_corpus}, which is none of the corpora: ${join(", ", keys(module.corpora.corpora))}."
    }
  }
}
