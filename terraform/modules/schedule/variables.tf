variable "name_prefix" {
  description = "First part of every name."
  type        = string
}

variable "corpora" {
  description = "When runs of each corpus begin, by mode, in EventBridge's terms, in UTC; null: none of that mode. Each mode of a corpus has a separate rule, because a rule has at most five targets."
  type        = map(object({ incremental = optional(string), full = optional(string) }))
}

variable "enabled" {
  description = "Whether the rules for runs fire."
  type        = bool
}

variable "function_name" {
  description = "Name of the function to invoke."
  type        = string
}

variable "function_arn" {
  description = "ARN of the function to invoke."
  type        = string
}

variable "maintenance" {
  description = "When the corpora's indexes are looked after, in EventBridge's terms, whether the rules fire, and the queue that takes the jobs."
  type        = object({ schedule_expression = string, enabled = bool, queue_arn = string })
}

variable "dead_letter_name" {
  description = "Name of the queue for events that could not be delivered."
  type        = string
}

variable "rule_arn_prefix" {
  description = "What stands before a rule's name in its ARN: `arn:aws:events:<region>:<account>:rule/`."
  type        = string
}

variable "queue_arn_prefix" {
  description = "What stands before a queue's name in its ARN: `arn:aws:sqs:<region>:<account>:`."
  type        = string
}
