# The API: who may call what, how often, and what is logged of it.

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

run "defaults" {
  # Routes.

  assert {
    condition = {
      for name, method in module.api.methods : "${method.method} /${method.path}" => method.key_required
    } == { "GET /retrieve" = true, "POST /chat" = true, "GET /health" = false }
    error_message = "Search and chat need a key; health does not."
  }

  assert {
    condition     = alltrue([for method in module.api.methods : method.integration == "AWS_PROXY" && method.timeout_ms <= 29000])
    error_message = "Functions answer within the 29 s that API Gateway waits."
  }

  assert {
    condition     = module.api.stage_name == "prod"
    error_message = "The stage is prod."
  }

  # Limits.

  assert {
    condition     = module.api.throttle.plan_rate_per_second == 5 && module.api.throttle.plan_burst == 10
    error_message = "A key may ask 5 times a second, 10 in a burst."
  }

  assert {
    condition     = module.api.throttle.plan_requests_per_day == 5 * 24 * 3600
    error_message = "A day's quota is no narrower than the rate, unless somebody sets it."
  }

  assert {
    condition     = module.api.throttle.stage_rate_per_second > 0 && module.api.throttle.stage_burst > 0
    error_message = "All callers together are bounded too."
  }

  assert {
    condition     = module.api.open_throttle == { "health/GET" = { rate_per_second = 1, burst = 5 } }
    error_message = "What needs no key has a narrow limit: at 50 requests a second a stranger would cost $450 a month, at one $9."
  }

  # Access log.

  assert {
    condition     = module.api.access_log.retention_days == 30
    error_message = "The access log is not kept for ever."
  }

  assert {
    condition     = module.api.access_log.format == null
    error_message = "Nothing is asked of an account that may have no role for access logs."
  }

  assert {
    condition     = module.api.execution_logging_level == "OFF"
    error_message = "Execution logs, which hold query strings and bodies, are off."
  }

  # Problems.

  assert {
    condition = {
      for type in ["INVALID_API_KEY", "MISSING_AUTHENTICATION_TOKEN", "REQUEST_TOO_LARGE", "THROTTLED", "QUOTA_EXCEEDED", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT"] :
      type => module.api.problem_statuses[type]
      } == {
      INVALID_API_KEY              = "403"
      MISSING_AUTHENTICATION_TOKEN = "404"
      REQUEST_TOO_LARGE            = "413"
      THROTTLED                    = "429"
      QUOTA_EXCEEDED               = "429"
      INTEGRATION_FAILURE          = "502"
      INTEGRATION_TIMEOUT          = "504"
    }
    error_message = "API Gateway's own errors have the documented statuses."
  }
}

run "problem_bodies" {
  module {
    source = "./modules/api"
  }

  variables {
    name                = "ultron"
    stage_name          = "prod"
    routes              = {}
    api_key_value       = null
    plan_throttle       = { rate_per_second = 5, burst = 10, requests_per_day = 1000 }
    open_throttle       = { rate_per_second = 1, burst = 5 }
    stage_throttle      = { rate_per_second = 50, burst = 100 }
    log_retention_days  = 30
    tracing_enabled     = false
    access_logs_enabled = true
  }

  assert {
    condition = alltrue([
      for response in aws_api_gateway_gateway_response.problem :
      response.response_parameters["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
      && jsondecode(response.response_templates["application/json"]).request_id == "$context.requestId"
      && jsondecode(response.response_templates["application/json"]).error.code != ""
    ])
    error_message = "API Gateway's own errors have the form of the functions' (RFC 9457)."
  }

  assert {
    condition     = aws_api_gateway_gateway_response.problem["DEFAULT_4XX"].status_code == null && aws_api_gateway_gateway_response.problem["DEFAULT_5XX"].status_code == null
    error_message = "An error without a specific answer keeps its status."
  }

  assert {
    condition = alltrue([
      for type in ["THROTTLED", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT", "DEFAULT_5XX"] :
      strcontains(jsondecode(aws_api_gateway_gateway_response.problem[type].response_templates["application/json"]).detail, "try again")
    ])
    error_message = "Under overload the answer says that the next try may succeed: a throttled function is DEFAULT_5XX."
  }

  assert {
    condition     = jsondecode(output.access_log.format).status == "$context.status"
    error_message = "Where the account has a role, there is an access log, in JSON."
  }

  assert {
    condition = !anytrue([
      for variable in values(jsondecode(output.access_log.format)) :
      can(regex("querystring|header|body|apiKey$|\\.path$|userArn|accessKey", variable))
    ])
    error_message = "What a caller sent never reaches the log."
  }
}
