variable "name_prefix" {
  description = "First part of every name."
  type        = string
}

variable "queue_names" {
  description = "Work queues, watched for messages that wait too long."
  type        = set(string)
}

variable "dead_letter_queue_names" {
  description = "Dead-letter queues, watched for any message."
  type        = set(string)
}

variable "function_timeouts_seconds" {
  description = "Timeout of each function, by function name."
  type        = map(number)
}

variable "api" {
  description = "Name and stage of the API."
  type        = object({ name = string, stage = string })
}

variable "oldest_message_seconds" {
  description = "Age at which a waiting message raises an alarm."
  type        = number
}

variable "duration_share" {
  description = "Share of its timeout at which a function's p95 duration raises an alarm."
  type        = number
}

variable "action_arns" {
  description = "SNS topics that receive a message at every change of an alarm."
  type        = list(string)
}
