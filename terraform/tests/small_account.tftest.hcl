# small-account.tfvars.example in an account of ten environments: docs/how-to/small-accounts.md has
# the same arithmetic.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  expected_account_id = "123456789012"
  bundle_directory    = "tests/fixtures/bundles"
  model_directory     = "tests/fixtures/model"
  corpora = {
    docs = { source = { kind = "jsonl", prefix = "sources/docs/" } }
  }
}

run "ten_environments" {
  command = plan

  variables {
    function_settings = {
      derive       = { maximum_concurrency = 2 }
      chunker      = { maximum_concurrency = 2 }
      embedder     = { maximum_concurrency = 2 }
      retrieve     = { reserved_concurrency = -1 }
      orchestrator = { reserved_concurrency = -1 }
    }
    api_throttle = {
      plan_rate_per_second  = 2
      plan_burst            = 4
      stage_rate_per_second = 2
      stage_burst           = 4
    }
  }

  assert {
    condition     = alltrue([for function in module.functions : function.configuration.reserved_concurrency == -1])
    error_message = "Nothing is reserved, for which the account has no room."
  }

  assert {
    condition     = alltrue([for queue in local.queues : module.functions[queue.function].event_source.maximum_concurrency == 2])
    error_message = "Each queue hands out as few batches at once as AWS allows: twelve in all, so that two wait at most."
  }

  # How long a message waits for an environment until it has been received once too often.
  assert {
    condition = { for name, queue in module.queues : name => queue.maximum_receive_count * queue.visibility_timeout_seconds } == {
      page-jobs = 10800, derive-jobs = 4320, chunk-jobs = 4320, embed-jobs = 10800, index-jobs = 4350, compact-jobs = 32400
    }
    error_message = "A message that is only throttled is given up after 72 minutes to nine hours."
  }

  assert {
    condition     = alltrue([for queue in module.queues : queue.maximum_receive_count * queue.visibility_timeout_seconds < 4 * 24 * 3600])
    error_message = "It is then a dead-letter message: SQS does not drop it before."
  }

  # How often one of the environments of the other five becomes free meanwhile, if each works for as
  # long as it may.
  assert {
    condition = {
      for name, queue in module.queues : name => sum([
        for other in local.queues : 2 * floor(queue.maximum_receive_count * queue.visibility_timeout_seconds / module.functions[other.function].timeout_seconds)
        if other.function != local.queues[name].function
      ])
      } == {
      page-jobs = 636, derive-jobs = 208, chunk-jobs = 208, embed-jobs = 636, index-jobs = 208, compact-jobs = 2052
    }
    error_message = "An environment becomes free 208 times or more before a message is given up."
  }
}
