locals {
  # Errors that API Gateway answers itself, in the form of the functions' own (RFC 9457). The two
  # defaults stand for all other errors, so they leave each its own status.
  problems = {
    BAD_REQUEST_BODY             = { status = 400, title = "Bad Request", code = "INVALID_INPUT", detail = "the request body cannot be read" }
    ACCESS_DENIED                = { status = 403, title = "Forbidden", code = "FORBIDDEN", detail = "access denied" }
    INVALID_API_KEY              = { status = 403, title = "Forbidden", code = "FORBIDDEN", detail = "send a valid API key in the header x-api-key" }
    MISSING_AUTHENTICATION_TOKEN = { status = 404, title = "Not Found", code = "NOT_FOUND", detail = "there is no such route" }
    REQUEST_TOO_LARGE            = { status = 413, title = "Content Too Large", code = "TEXT_TOO_LONG", detail = "the request is too large" }
    THROTTLED                    = { status = 429, title = "Too Many Requests", code = "THROTTLED", detail = "too many requests; try again in a second" }
    QUOTA_EXCEEDED               = { status = 429, title = "Too Many Requests", code = "THROTTLED", detail = "the quota of this API key is used up" }
    INTEGRATION_TIMEOUT          = { status = 504, title = "Gateway Timeout", code = "TIMEOUT", detail = "the answer took too long; try again" }
    INTEGRATION_FAILURE          = { status = 502, title = "Bad Gateway", code = "INTERNAL", detail = "the service did not answer; try again" }
    DEFAULT_4XX                  = { status = null, title = "Request Refused", code = "INVALID_INPUT", detail = "the request cannot be served" }
    DEFAULT_5XX                  = { status = null, title = "Internal Server Error", code = "INTERNAL", detail = "something failed on our side; try again" }
  }

  problem_templates = {
    for type, problem in local.problems : type => jsonencode(merge(
      {
        type       = "about:blank"
        title      = problem.title
        detail     = problem.detail
        error      = { code = problem.code, message = problem.detail }
        request_id = "$context.requestId"
      },
      problem.status == null ? {} : { status = problem.status },
    ))
  }

  # Nothing here holds what a caller sent: no query string, no header, no key, no body.
  access_log_format = {
    request_id             = "$context.requestId"
    extended_request_id    = "$context.extendedRequestId"
    time                   = "$context.requestTime"
    method                 = "$context.httpMethod"
    route                  = "$context.resourcePath"
    status                 = "$context.status"
    error_type             = "$context.error.responseType"
    response_bytes         = "$context.responseLength"
    latency_ms             = "$context.responseLatency"
    integration_latency_ms = "$context.integrationLatency"
    integration_status     = "$context.integrationStatus"
  }

  # What a deployment freezes, by name: hashing whole resources fires at every plan on MiniStack.
  deployed = {
    routes = {
      for name, route in var.routes : name => concat(
        [route.path, route.method, route.function_name, route.timeout_seconds, route.key_required],
        compact([route.qualifier]),
      )
    }
    problems = local.problems
  }
}
