# Bad settings are refused before anything is planned, each by its own variable. A run costs a second
# or more and can expect many variables to fail, but each only once: the second bad value of each
# variable is in the second run, and so on. A variable that is compared with another is not looked at
# where the other is wrong already: those are in later runs.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  expected_account_id = "123456789012"
  bundle_directory    = "tests/fixtures/bundles"
  model_directory     = "tests/fixtures/model"
  corpora = {
    marvel = { source = { kind = "marvel", base_url = "https://gateway.example.com" } }
  }
}

run "one_bad_value_of_each" {
  command = plan

  variables {
    expected_account_id             = "12345678901"
    endpoint_url                    = "http://127.0.0.1:4566/path"
    name_prefix                     = "Ultron"
    bucket_name                     = "ultron.embeddings"
    checkpoint_table                = "t"
    model_directory                 = "tests/nowhere"
    architecture                    = "riscv64"
    runtime                         = "python3.11"
    outbound_allowed_hosts          = ["https://wiki.example.internal"]
    function_settings               = { unknown = { memory_mb = 512 } }
    publish_copies                  = 0
    retry_delay_seconds             = 901
    model_cache_directory           = "model"
    maximum_receives                = 1
    secret_recovery_window_days     = 3
    lifecycle_rules                 = { noncurrent_version_days = 0 }
    api_key_value                   = "nineteen-characters"
    api_throttle                    = { plan_rate_per_second = 0 }
    schedule_expression             = "every night"
    maintenance_schedule_expression = "every week"
    index_maintenance               = { compaction_fan_in = 1 }
    retrieve_memory_budget_mb       = 0
    log_level                       = "LOUD"
    log_retention_days              = 31
    oldest_message_alarm_seconds    = 1
    vpc_cidr                        = "10.0.0.0/8"
    vpc_zone_count                  = 4
    vpc_interface_services          = ["ssm", "lambda"]
  }

  expect_failures = [
    var.expected_account_id,
    var.endpoint_url,
    var.name_prefix,
    var.bucket_name,
    var.checkpoint_table,
    var.model_directory,
    var.architecture,
    var.runtime,
    var.outbound_allowed_hosts,
    var.function_settings,
    var.publish_copies,
    var.retry_delay_seconds,
    var.model_cache_directory,
    var.maximum_receives,
    var.secret_recovery_window_days,
    var.lifecycle_rules,
    var.api_key_value,
    var.api_throttle,
    var.schedule_expression,
    var.maintenance_schedule_expression,
    var.index_maintenance,
    var.retrieve_memory_budget_mb,
    var.log_level,
    var.log_retention_days,
    var.oldest_message_alarm_seconds,
    var.vpc_cidr,
    var.vpc_zone_count,
    var.vpc_interface_services,
  ]
}

run "second_bad_values" {
  command = plan

  variables {
    api_throttle                    = { plan_rate = 5 }                                                    # a misspelt key
    lifecycle_rules                 = { noncurrent_days = 30 }                                             # a misspelt key
    architecture                    = "x86_64"                                                             # bundles for another
    alarm_topic_arns                = ["arn:aws:sns:us-east-1:123456789012:alarms"]                        # another region's
    alarm_emails                    = ["search-team"]                                                      # no address
    marvel_public_key               = "1234"                                                               # half of the keys
    extra_layer_arns                = { retrieve = ["arn:aws:lambda:eu-west-1:123456789012:layer:llama"] } # no version
    function_settings               = { fetch = { memory_mb = 64 } }                                       # too little memory
    retrieve_memory_budget_mb       = 10241                                                                # beyond any function
    index_maintenance               = { compaction_fan_in = 2.5 }                                          # merges of half a shard
    additional_model_directories    = ["tests/nowhere"]                                                    # no such folder
    outbound_allowed_hosts          = ["wiki.example.internal/wiki"]                                       # a path
    schedule_expression             = "cron(0 6 * * *)"                                                    # one field too few
    maintenance_schedule_expression = "rate(1 days)"                                                       # one of a plural
    corpora                         = {}                                                                   # no corpus
  }

  expect_failures = [
    var.api_throttle,
    var.lifecycle_rules,
    var.bundle_directory,
    var.alarm_topic_arns,
    var.alarm_emails,
    var.marvel_private_key,
    var.extra_layer_arns,
    var.function_settings,
    var.retrieve_memory_budget_mb,
    var.index_maintenance,
    var.additional_model_directories,
    var.outbound_allowed_hosts,
    var.schedule_expression,
    var.maintenance_schedule_expression,
    var.corpora,
  ]
}

run "third_bad_values" {
  command = plan

  variables {
    api_throttle                 = { plan_burst = 2.5 }                                                   # half a request
    lifecycle_rules              = { unfinished_upload_days = 1.5 }                                       # half a day
    runtime                      = "python3.13"                                                           # bundles for another
    extra_layer_arns             = { retrieve = ["arn:aws:lambda:us-east-1:123456789012:layer:llama:3"] } # another region's
    function_settings            = { fetch = { timeout_seconds = 901 } }                                  # too long a time
    index_maintenance            = { compaction_fan_in = 65 }                                             # merges of too many shards
    additional_model_directories = ["tests/fixtures/other-model", "tests/fixtures/model"]                 # the same model twice
    outbound_allowed_hosts       = ["10.2.0.1/16"]                                                        # in the middle of its range
    corpora                      = ["marvel"]                                                             # no map
  }

  expect_failures = [
    var.api_throttle,
    var.lifecycle_rules,
    var.bundle_directory,
    var.extra_layer_arns,
    var.function_settings,
    var.index_maintenance,
    var.additional_model_directories,
    var.outbound_allowed_hosts,
    var.corpora,
  ]
}

run "fourth_bad_values" {
  command = plan

  variables {
    bundle_directory       = "tests/nowhere"                                                                         # no such folder
    extra_layer_arns       = { unknown = [] }                                                                        # no such function
    alarm_topic_arns       = ["arn:aws:sqs:eu-west-1:123456789012:alarms"]                                           # a queue
    monthly_budget_usd     = 50                                                                                      # and no address  
    function_settings      = { fetch = { maximum_concurrency = 1 } }                                                 # less than two
    index_maintenance      = { shard_minimum_mb = 0 }                                                                # shards of nothing
    outbound_allowed_hosts = ["10.0.0.7:65536"]                                                                      # a port that is none
    corpora                = { Marvel = { source = { kind = "marvel", base_url = "https://gateway.example.com" } } } # capitals
  }

  expect_failures = [
    var.bundle_directory,
    var.extra_layer_arns,
    var.alarm_topic_arns,
    var.monthly_budget_usd,
    var.function_settings,
    var.index_maintenance,
    var.outbound_allowed_hosts,
    var.corpora,
  ]
}

run "fifth_bad_values" {
  command = plan

  variables {
    function_settings = { retrieve = { timeout_seconds = 30 } }                                                               # too late for the gateway
    index_maintenance = { shard_minimum_mb = 201 }                                                                            # larger than their maximum
    corpora           = { abcdefghijklmnopqrstuvwxyz0123456789x = { source = { kind = "jsonl", prefix = "sources/docs/" } } } # a name too long for its rules
  }

  expect_failures = [
    var.function_settings,
    var.index_maintenance,
    var.corpora,
  ]
}

run "sixth_bad_values" {
  command = plan

  variables {
    function_settings = { fetch = { timeout_seconds = 239 } } # too little time for a page
    index_maintenance = { shard_maximum_mb = 1025 }           # shards too large to merge
  }

  expect_failures = [
    var.function_settings,
    var.index_maintenance,
  ]
}

run "seventh_bad_values" {
  command = plan

  variables {
    enable_snap_start = true                       # retrieve has a /tmp of the default size
    index_maintenance = { history_kept_days = -1 } # less than no history
  }

  expect_failures = [
    var.enable_snap_start,
    var.index_maintenance,
  ]
}

run "eighth_bad_values" {
  command = plan

  variables {
    enable_snap_start = true # retrieve has a /tmp of more than 512 MB
    function_settings = { retrieve = { ephemeral_storage_mb = 513 } }
    index_maintenance = { removed_grace_hours = 0 } # no grace for readers
  }

  expect_failures = [
    var.enable_snap_start,
    var.index_maintenance,
  ]
}

run "ninth_bad_values" {
  command = plan

  variables {
    function_settings = { indexer = { maximum_batching_window_seconds = 0 } } # no window for its 100 messages
    index_maintenance = { orphan_grace_days = 17 }                            # less grace than messages live
  }

  expect_failures = [
    var.function_settings,
    var.index_maintenance,
  ]
}

run "tenth_bad_values" {
  command = plan

  variables {
    function_settings = { indexer = { maximum_batching_window_seconds = -1 } } # a window that ends before it begins
    index_maintenance = { compaction_fanin = 4 }                               # a misspelt key
  }

  expect_failures = [
    var.function_settings,
    var.index_maintenance,
  ]
}

run "eleventh_bad_values" {
  command = plan

  variables {
    function_settings        = { retrieve = { batch_size = 2 } } # a setting of queues, of a function without one
    extra_environment        = { unknown = {} }                  # no such function
    extra_statements         = { unknown = [] }                  # no such function
    role_path                = "teams"                           # no slashes
    permissions_boundary_arn = "boundary"                        # a name
  }

  expect_failures = [
    var.function_settings,
    var.extra_environment,
    var.extra_statements,
    var.role_path,
    var.permissions_boundary_arn,
  ]
}

run "twelfth_bad_values" {
  command = plan

  variables {
    function_settings = { derive = { reserved_concurrency = 4 } }                               # fewer than its mapping may ask for
    extra_environment = { retrieve = { BUCKET_NAME = "another" } }                              # what is set already
    extra_statements  = { fetch = [{ actions = ["kms:Decrypt"], resources = ["alias/ours"] }] } # no ARN
  }

  expect_failures = [
    var.function_settings,
    var.extra_environment,
    var.extra_statements,
  ]
}

run "thirteenth_bad_values" {
  command = plan

  variables {
    function_settings = { fetch = { memory_mb = 512.5 } } # half a megabyte
  }

  expect_failures = [var.function_settings]
}

run "fourteenth_bad_values" {
  command = plan

  variables {
    function_settings = { fetch = { memory = 1024 } } # a misspelt key
  }

  expect_failures = [var.function_settings]
}

run "fifteenth_bad_values" {
  command = plan

  variables {
    function_settings = { derive = { batch_size = 11 } } # more than SQS gives at once
  }

  expect_failures = [var.function_settings]
}

run "default_corpus_that_is_none" {
  command = plan

  variables {
    default_corpus = "dc-comics"
  }

  expect_failures = [aws_ssm_parameter.deployment]
}
