variable "name" {
  description = "Name of the queue; its dead-letter queue is called `<name>-dlq`."
  type        = string
}

variable "arn_prefix" {
  description = "What stands before a queue's name in its ARN: `arn:aws:sqs:<region>:<account>:`."
  type        = string
}

variable "visibility_timeout_seconds" {
  description = "How long a received message stays hidden from other receivers."
  type        = number
}

variable "sender_rule_arns" {
  description = "EventBridge rules that may send messages, with `*` where the name is open; empty for none."
  type        = list(string)
  default     = []
}

variable "maximum_receives" {
  description = "Receives at which a message is worked on; at one more it is only recorded why it goes to the dead-letter queue."
  type        = number
}
