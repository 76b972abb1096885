variable "name" {
  description = "Name of the API."
  type        = string
}

variable "stage_name" {
  description = "Name of the stage."
  type        = string
}

variable "routes" {
  description = "The routes by name: one path segment, a method, the function behind it, and the alias of it that `invoke_arn` is of."
  type = map(object({
    path            = string
    method          = string
    function_name   = string
    qualifier       = optional(string)
    invoke_arn      = string
    timeout_seconds = number
    key_required    = bool
  }))
}

variable "api_key_value" {
  description = "Value of the API key; null lets AWS make one."
  type        = string
  sensitive   = true
}

variable "plan_throttle" {
  description = "Requests a second, the burst, and requests a day, of each key."
  type        = object({ rate_per_second = number, burst = number, requests_per_day = number })
}

variable "stage_throttle" {
  description = "Requests a second, and the burst, of each method for all callers together."
  type        = object({ rate_per_second = number, burst = number })
}

variable "open_throttle" {
  description = "Requests a second, and the burst, of each method that needs no key."
  type        = object({ rate_per_second = number, burst = number })
}

variable "log_retention_days" {
  description = "Days for which the access log is kept."
  type        = number
}

variable "tracing_enabled" {
  description = "Whether X-Ray records the requests."
  type        = bool
}

variable "access_logs_enabled" {
  description = "Whether API Gateway writes access logs, for which the account needs a role."
  type        = bool
}
