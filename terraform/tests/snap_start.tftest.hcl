# With SnapStart every caller of retrieve goes through the alias: only a published version starts
# from a snapshot.

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

run "off" {
  assert {
    condition = {
      for name, method in module.api.methods : name => [method.invokes, endswith(method.uri, "functions/mocked/invocations")]
      } == {
      retrieve = ["ultron-retrieve", true]
      health   = ["ultron-retrieve", true]
      chat     = ["ultron-orchestrator", true]
    }
    error_message = "API Gateway may call, and calls, the functions by their names."
  }
}

run "on" {
  variables {
    enable_snap_start = true
    extra_environment = { retrieve = { MANIFEST_RECHECK_SECONDS = "30" } }
    function_settings = { retrieve = { ephemeral_storage_mb = 512 } }
  }

  assert {
    condition     = module.functions["retrieve"].configuration.publish && module.functions["retrieve"].configuration.snap_start == "PublishedVersions" && module.functions["retrieve"].alias.name == "live"
    error_message = "retrieve is published, and its newest version has the alias."
  }

  assert {
    condition     = alltrue([for name, function in module.functions : name == "retrieve" || (!function.configuration.publish && function.configuration.snap_start == null && function.alias == null)])
    error_message = "No other function is."
  }

  assert {
    condition = {
      for name, method in module.api.methods : name => [method.invokes, endswith(method.uri, "functions/mocked:live/invocations")]
      } == {
      retrieve = ["ultron-retrieve:live", true]
      health   = ["ultron-retrieve:live", true]
      chat     = ["ultron-orchestrator", false]
    }
    error_message = "API Gateway may call, and calls, the alias."
  }

  assert {
    condition     = module.functions["orchestrator"].configuration.environment.RETRIEVE_FUNCTION_NAME == "ultron-retrieve:live" && module.functions["retrieve"].configuration.environment.GROUP_FUNCTION_NAME == "ultron-retrieve:live"
    error_message = "So do the orchestrator, and retrieve itself for the groups of a large index."
  }

  assert {
    condition = {
      for name in ["retrieve", "orchestrator"] : name => flatten([
        for statement in jsondecode(module.functions[name].policy).Statement : statement.Resource if contains(statement.Action, "lambda:InvokeFunction")
      ])
    } == { for name in ["retrieve", "orchestrator"] : name => ["arn:aws:lambda:eu-west-1:123456789012:function:ultron-retrieve:live"] }
    error_message = "Their policies allow just that."
  }

  assert {
    condition     = module.functions["retrieve"].configuration.environment.MANIFEST_RECHECK_SECONDS == "30"
    error_message = "A setting that has no variable can still be given."
  }

  assert {
    condition     = module.functions["retrieve"].configuration.environment.CACHE_LIMIT_MB == "352"
    error_message = "What is left of 512 MB beside the model is the shards'."
  }
}
