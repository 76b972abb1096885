# A union: which settings a source has depends on its kind, which no Terraform type can say. An
# object type would also drop misspelt settings without a word. modules/corpora checks the rest,
# against the schema of the models that the functions read a corpus with.
variable "corpora" {
  description = "Corpora by name: {source = {kind = \"jsonl\", …}, mapping, chunking, schedule = {incremental, full}, model, maximum_vanished_share}, as in shared/models/corpus.py; terraform.tfvars.example has one of each kind."
  type        = any

  validation {
    condition     = try(length(keys(var.corpora)) > 0, false)
    error_message = "corpora must be a map with at least one corpus; see terraform.tfvars.example."
  }

  # With the longest name_prefix, the rules of the longest name are just as long as AWS allows.
  validation {
    condition     = alltrue([for name in try(keys(var.corpora), []) : can(regex("^[a-z0-9][a-z0-9-]{0,35}$", name))])
    error_message = "A corpus is named by 1 to 36 lower-case letters, digits and hyphens, beginning with a letter or digit; these are not: ${join(", ", [for name in try(keys(var.corpora), []) : name if !can(regex("^[a-z0-9][a-z0-9-]{0,35}$", name))])}."
  }
}

variable "default_corpus" {
  description = "Corpus of a query that names none; null takes the first by name."
  type        = string
  default     = null
}

variable "marvel_public_key" {
  description = "Public key of the marvel source; empty leaves the secret for you to fill, see README.md."
  type        = string
  default     = ""
  sensitive   = true
}

variable "marvel_private_key" {
  description = "Private key of the marvel source. It lies in Terraform's state when given here."
  type        = string
  default     = ""
  sensitive   = true

  validation {
    condition     = (var.marvel_public_key == "") == (var.marvel_private_key == "")
    error_message = "marvel_public_key and marvel_private_key go together: set both, or leave both out."
  }
}

variable "secret_recovery_window_days" {
  description = "Days for which a deleted secret can be restored: 7 to 30, or 0 to delete at once."
  type        = number
  default     = 7

  validation {
    condition     = var.secret_recovery_window_days == 0 || (var.secret_recovery_window_days >= 7 && var.secret_recovery_window_days <= 30)
    error_message = "secret_recovery_window_days must be 0, or 7 to 30."
  }
}

# When runs begin by themselves ------------------------------------------------------------------

variable "schedule_enabled" {
  description = "Whether runs begin by themselves; false switches off the schedules of single corpora too."
  type        = bool
  default     = true
  nullable    = false
}

variable "schedule_expression" {
  description = "When every corpus without its own schedule is ingested incrementally, in EventBridge's terms, in UTC."
  type        = string
  default     = "cron(0 6 * * ? *)"
  nullable    = false

  validation {
    condition     = can(regex(local.schedule_pattern, var.schedule_expression))
    error_message = "schedule_expression must be cron(…) with six fields of which one of the two days is `?`, as in cron(0 6 * * ? *), or rate(1 hour), or rate(2 hours)."
  }
}

variable "maintenance_schedule_enabled" {
  description = "Whether every corpus's index is looked after on a schedule: mostly dead shards rewritten, garbage collected."
  type        = bool
  default     = true
  nullable    = false
}

variable "maintenance_schedule_expression" {
  description = "When the maintenance of every index begins, in EventBridge's terms, in UTC."
  type        = string
  default     = "cron(0 8 ? * SUN *)"
  nullable    = false

  validation {
    condition     = can(regex(local.schedule_pattern, var.maintenance_schedule_expression))
    error_message = "maintenance_schedule_expression must be cron(…) with six fields of which one of the two days is `?`, as in cron(0 8 ? * SUN *), or rate(7 days) or the like."
  }
}

# What sources may be called ---------------------------------------------------------------------

variable "outbound_allowed_hosts" {
  description = "Hosts that sources may be called at although they are private or local: `wiki.example.internal`, `10.0.0.7:8080`, `10.2.0.0/16`. All else that is not on the public internet is refused."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([
      for host in var.outbound_allowed_hosts : try(cidrsubnet(host, 0, 0) == host, false) || (
        can(regex("^([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?$", host))
        && try(tonumber(regex(":([0-9]{1,5})$", host)[0]), 1) <= 65535
      )
    ])
    error_message = "outbound_allowed_hosts must be hosts, host:port or whole address ranges, without http:// or a path: wiki.example.internal, 10.0.0.7:8080, 10.2.0.0/16."
  }
}
