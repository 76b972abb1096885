resource "aws_api_gateway_rest_api" "this" {
  name        = var.name
  description = "Semantic search and chat over the ingested corpora."

  endpoint_configuration {
    types = ["REGIONAL"]
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_resource" "route" {
  for_each = toset([for route in var.routes : route.path])

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = each.key
}

resource "aws_api_gateway_method" "route" {
  #checkov:skip=CKV2_AWS_53:the functions check every parameter and name the wrong one, which the gateway does not
  for_each = var.routes

  rest_api_id      = aws_api_gateway_rest_api.this.id
  resource_id      = aws_api_gateway_resource.route[each.value.path].id
  http_method      = each.value.method
  authorization    = "NONE"
  api_key_required = each.value.key_required
}

resource "aws_api_gateway_integration" "route" {
  for_each = var.routes

  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = aws_api_gateway_resource.route[each.value.path].id
  http_method             = aws_api_gateway_method.route[each.key].http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = each.value.invoke_arn
  timeout_milliseconds    = each.value.timeout_seconds * 1000
}

resource "aws_lambda_permission" "route" {
  for_each = var.routes

  statement_id  = "${var.name}-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = each.value.function_name
  qualifier     = each.value.qualifier
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/${var.stage_name}/${each.value.method}/${each.value.path}"
}

resource "aws_api_gateway_gateway_response" "problem" {
  for_each = local.problems

  rest_api_id   = aws_api_gateway_rest_api.this.id
  response_type = each.key
  status_code   = each.value.status

  response_parameters = {
    "gatewayresponse.header.Content-Type" = "'application/problem+json'"
  }

  response_templates = {
    "application/json" = local.problem_templates[each.key]
  }
}

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id

  triggers = {
    redeployment = sha256(jsonencode(local.deployed))
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [
    aws_api_gateway_integration.route,
    aws_api_gateway_gateway_response.problem,
  ]
}

# It stays when access logs are switched off: it holds what was logged.
resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:a key of one's own costs a fee each month and protects no better here than the key of AWS
  #checkov:skip=CKV_AWS_338:the retention is a variable, for operators know what they must keep
  name              = "/aws/apigateway/${var.name}-${var.stage_name}"
  retention_in_days = var.log_retention_days
}

resource "aws_api_gateway_stage" "this" {
  #checkov:skip=CKV_AWS_120:an answer is out of date at the next commit of its index, and a cache costs by the hour
  #checkov:skip=CKV_AWS_76:access logs need a role of the account, which a variable says is there
  #checkov:skip=CKV2_AWS_4:execution logs would hold query strings and bodies
  #checkov:skip=CKV2_AWS_29:keys, a usage plan, a stage throttle and reserved concurrency cap what a flood can do; a firewall costs while idle
  #checkov:skip=CKV2_AWS_51:the integrations are functions, which API Gateway calls by IAM and not by a certificate
  rest_api_id          = aws_api_gateway_rest_api.this.id
  deployment_id        = aws_api_gateway_deployment.this.id
  stage_name           = var.stage_name
  xray_tracing_enabled = var.tracing_enabled

  # AWS refuses access logs until the account has a role to write them with, see terraform/account.
  dynamic "access_log_settings" {
    for_each = var.access_logs_enabled ? [aws_cloudwatch_log_group.access.arn] : []

    content {
      destination_arn = access_log_settings.value
      format          = jsonencode(local.access_log_format)
    }
  }
}

resource "aws_api_gateway_method_settings" "all" {
  #checkov:skip=CKV_AWS_225:an answer is out of date at the next commit of its index, and a cache costs by the hour
  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "*/*"

  settings {
    metrics_enabled = true
    # Execution logs would hold query strings and bodies.
    logging_level          = "OFF"
    data_trace_enabled     = false
    throttling_rate_limit  = var.stage_throttle.rate_per_second
    throttling_burst_limit = var.stage_throttle.burst
  }
}

# A request without a key is billed too, unless it is refused for being one too many. Limits that are
# those of all methods need no settings.
resource "aws_api_gateway_method_settings" "open" {
  #checkov:skip=CKV_AWS_225:an answer is out of date at the next commit of its index, and a cache costs by the hour
  for_each = { for name, route in var.routes : name => route if !route.key_required && var.open_throttle != var.stage_throttle }

  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "${each.value.path}/${each.value.method}"

  settings {
    metrics_enabled        = true
    logging_level          = "OFF"
    data_trace_enabled     = false
    throttling_rate_limit  = var.open_throttle.rate_per_second
    throttling_burst_limit = var.open_throttle.burst
  }

  # API Gateway changes a stage for one caller at a time.
  depends_on = [aws_api_gateway_method_settings.all]
}

resource "aws_api_gateway_usage_plan" "this" {
  name        = var.name
  description = "What one API key may ask for."

  api_stages {
    api_id = aws_api_gateway_rest_api.this.id
    stage  = aws_api_gateway_stage.this.stage_name
  }

  throttle_settings {
    rate_limit  = var.plan_throttle.rate_per_second
    burst_limit = var.plan_throttle.burst
  }

  quota_settings {
    limit  = var.plan_throttle.requests_per_day
    period = "DAY"
  }
}

resource "aws_api_gateway_api_key" "this" {
  name        = var.name
  description = "First key of ${var.name}."
  value       = var.api_key_value
}

resource "aws_api_gateway_usage_plan_key" "this" {
  usage_plan_id = aws_api_gateway_usage_plan.this.id
  key_id        = aws_api_gateway_api_key.this.id
  key_type      = "API_KEY"
}
