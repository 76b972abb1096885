output "api_url" {
  description = "Base URL of the API on AWS. On MiniStack it is <endpoint>/_aws/execute-api/<api_id>/<api_stage>."
  value       = module.api.url
}

output "api_id" {
  description = "Id of the API."
  value       = module.api.id
}

output "api_stage" {
  description = "Name of the API's stage."
  value       = module.api.stage_name
}

output "api_key" {
  description = "Value of the API key, for the header x-api-key."
  value       = module.api.key_value
  sensitive   = true
}

output "bucket_name" {
  description = "The one bucket."
  value       = module.storage.bucket_name
}

output "checkpoint_table" {
  description = "The one DynamoDB table."
  value       = module.storage.table_name
}

output "queue_urls" {
  description = "URL of each stage's queue."
  value       = { for name, queue in module.queues : name => queue.url }
}

output "dead_letter_queue_urls" {
  description = "URL of each stage's dead-letter queue; `ingest` is the schedule's."
  value       = local.dead_letter_queue_urls
}

output "function_names" {
  description = "Name of each function."
  value       = { for name, function in module.functions : name => function.name }
}

output "model" {
  description = "Id, revision and dims of the model of corpora that name none."
  value       = module.models[local.default_model].identity
}

output "models" {
  description = "Id, revision and dims of each deployed model, by id."
  value       = local.model_identities
}

output "model_prefixes" {
  description = "Where each model lies in the bucket, by id."
  value       = local.model_prefixes
}

output "name_prefix" {
  description = "First part of every name."
  value       = var.name_prefix
}

output "schedule" {
  description = "What a corpus's rules call, and when they fire unless the corpus says otherwise; null where they are switched off."
  value       = local.schedule
}

output "corpora_parameter_path" {
  description = "SSM path below which the corpora lie."
  value       = local.corpora_path
}

output "corpora" {
  description = "SSM parameter of each corpus."
  value       = module.corpora.parameter_names
}

output "default_corpus" {
  description = "Corpus of a query that names none."
  value       = local.default_corpus
}

output "source_secret_arns" {
  description = "Secret of each source that needs keys."
  value       = module.corpora.secret_arns
}

output "deployment_parameter" {
  description = "SSM parameter with these addresses, for clients without Terraform."
  value       = aws_ssm_parameter.deployment.name
}

output "arns" {
  description = "ARN of every resource that something else of the account may refer to: policies, dashboards, a firewall, a domain."
  value = {
    functions          = { for name, function in module.functions : name => function.arn }
    roles              = { for name, function in module.functions : name => function.role_arn }
    log_groups         = merge({ for name, function in module.functions : name => function.log_group_arn }, { api = module.api.access_log_arn })
    layers             = { for name, layer in module.layers : name => layer.arn }
    bucket             = module.storage.bucket_arn
    table              = module.storage.table_arn
    queues             = { for name, queue in module.queues : name => queue.arn }
    dead_letter_queues = merge({ for name, queue in module.queues : name => queue.dead_letter_arn }, { ingest = module.schedule.dead_letter_arn })
    api                = module.api.arn
    api_execution      = module.api.execution_arn
    api_stage          = module.api.stage_arn
    rules              = module.schedule.rule_arns
    parameters         = merge(module.corpora.parameter_arns, { deployment = aws_ssm_parameter.deployment.arn })
    secrets            = module.corpora.secret_arns
    alarms             = try(module.observability[0].alarm_arns, {})
    alarm_topic        = one(module.notifications[*].topic_arn)
    dashboard          = one(module.dashboard[*].arn)
  }
}

output "dashboard_url" {
  description = "Where the dashboard is shown; null without one."
  value       = one(module.dashboard[*].url)
}

output "region" {
  description = "Region of the deployment."
  value       = local.region
}
