# Bad settings are refused before anything is planned, each by its own variable. A run can expect
# many variables to fail but each only once, so a variable's further bad values have separate runs.

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
    bundle_directory                = "tests/nowhere"
    model_directory                 = "tests/nowhere"
    architecture                    = "riscv64"
    runtime                         = "python3.11"
    outbound_allowed_hosts          = ["https://wiki.example.internal"]
    extra_layer_arns                = { nobody = [] }
    function_settings               = { nobody = { memory_mb = 512 } }
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
    alarm_topic_arns                = ["arn:aws:sqs:eu-west-1:123456789012:alarms"]
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
    var.bundle_directory,
    var.model_directory,
    var.architecture,
    var.runtime,
    var.outbound_allowed_hosts,
    var.extra_layer_arns,
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
    var.alarm_topic_arns,
    var.oldest_message_alarm_seconds,
    var.vpc_cidr,
    var.vpc_zone_count,
    var.vpc_interface_services,
  ]
}

run "layer_without_version" {
  command = plan

  variables {
    extra_layer_arns = { retrieve = ["arn:aws:lambda:eu-west-1:123456789012:layer:llama"] }
  }

  expect_failures = [var.extra_layer_arns]
}

run "too_little_memory" {
  command = plan

  variables {
    function_settings = { fetch = { memory_mb = 64 } }
  }

  expect_failures = [var.function_settings]
}

run "too_long_a_timeout" {
  command = plan

  variables {
    function_settings = { fetch = { timeout_seconds = 901 } }
  }

  expect_failures = [var.function_settings]
}

run "a_concurrency_of_one" {
  command = plan

  variables {
    function_settings = { fetch = { maximum_concurrency = 1 } }
  }

  expect_failures = [var.function_settings]
}

run "an_answer_too_late_for_the_gateway" {
  command = plan

  variables {
    function_settings = { retrieve = { timeout_seconds = 30 } }
  }

  expect_failures = [var.function_settings]
}

run "fetch_with_too_little_time_for_a_page" {
  command = plan

  variables {
    function_settings = { fetch = { timeout_seconds = 239 } }
  }

  expect_failures = [var.function_settings]
}

run "merges_of_half_a_shard" {
  command = plan

  variables {
    index_maintenance = { compaction_fan_in = 2.5 }
  }

  expect_failures = [var.index_maintenance]
}

run "merges_of_too_many_shards" {
  command = plan

  variables {
    index_maintenance = { compaction_fan_in = 65 }
  }

  expect_failures = [var.index_maintenance]
}

run "shards_of_nothing" {
  command = plan

  variables {
    index_maintenance = { shard_minimum_mb = 0 }
  }

  expect_failures = [var.index_maintenance]
}

run "shards_larger_than_their_maximum" {
  command = plan

  variables {
    index_maintenance = { shard_minimum_mb = 201 }
  }

  expect_failures = [var.index_maintenance]
}

run "shards_too_large_to_merge" {
  command = plan

  variables {
    index_maintenance = { shard_maximum_mb = 1025 }
  }

  expect_failures = [var.index_maintenance]
}

run "less_than_no_history" {
  command = plan

  variables {
    index_maintenance = { history_kept_days = -1 }
  }

  expect_failures = [var.index_maintenance]
}

run "no_grace_for_readers" {
  command = plan

  variables {
    index_maintenance = { removed_grace_hours = 0 }
  }

  expect_failures = [var.index_maintenance]
}

run "less_grace_than_messages_live" {
  command = plan

  variables {
    index_maintenance = { orphan_grace_days = 17 }
  }

  expect_failures = [var.index_maintenance]
}

run "a_budget_beyond_any_function" {
  command = plan

  variables {
    retrieve_memory_budget_mb = 10241
  }

  expect_failures = [var.retrieve_memory_budget_mb]
}

run "snap_start_with_the_default_tmp" {
  command = plan

  variables {
    enable_snap_start = true
  }

  expect_failures = [var.enable_snap_start]
}

run "snap_start_with_a_large_tmp" {
  command = plan

  variables {
    enable_snap_start = true
    function_settings = { retrieve = { ephemeral_storage_mb = 513 } }
  }

  expect_failures = [var.enable_snap_start]
}

run "a_further_model_that_is_not_there" {
  command = plan

  variables {
    additional_model_directories = ["tests/nowhere"]
  }

  expect_failures = [var.additional_model_directories]
}

run "the_same_model_twice" {
  command = plan

  variables {
    additional_model_directories = ["tests/fixtures/other-model", "tests/fixtures/model"]
  }

  expect_failures = [var.additional_model_directories]
}

run "a_host_with_a_path" {
  command = plan

  variables {
    outbound_allowed_hosts = ["wiki.example.internal/wiki"]
  }

  expect_failures = [var.outbound_allowed_hosts]
}

run "a_range_that_begins_in_its_middle" {
  command = plan

  variables {
    outbound_allowed_hosts = ["10.2.0.1/16"]
  }

  expect_failures = [var.outbound_allowed_hosts]
}

run "a_port_that_is_none" {
  command = plan

  variables {
    outbound_allowed_hosts = ["10.0.0.7:65536"]
  }

  expect_failures = [var.outbound_allowed_hosts]
}

run "a_schedule_of_five_fields" {
  command = plan

  variables {
    schedule_expression             = "cron(0 6 * * *)"
    maintenance_schedule_expression = "rate(1 days)"
  }

  expect_failures = [var.schedule_expression, var.maintenance_schedule_expression]
}

run "no_corpora" {
  command = plan

  variables {
    corpora = {}
  }

  expect_failures = [var.corpora]
}

run "corpora_as_a_list" {
  command = plan

  variables {
    corpora = ["marvel"]
  }

  expect_failures = [var.corpora]
}

run "corpus_in_capitals" {
  command = plan

  variables {
    corpora = { Marvel = { source = { kind = "marvel", base_url = "https://gateway.example.com" } } }
  }

  expect_failures = [var.corpora]
}

run "corpus_with_a_name_too_long_for_its_rules" {
  command = plan

  variables {
    corpora = { abcdefghijklmnopqrstuvwxyz0123456789x = { source = { kind = "jsonl", prefix = "sources/docs/" } } }
  }

  expect_failures = [var.corpora]
}

run "default_corpus_that_is_none" {
  command = plan

  variables {
    default_corpus = "dc-comics"
  }

  expect_failures = [aws_ssm_parameter.deployment]
}
