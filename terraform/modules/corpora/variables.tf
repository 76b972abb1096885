variable "name_prefix" {
  description = "First part of every name."
  type        = string
}

variable "corpora" {
  description = "Corpus documents by name, as `shared/models/corpus.py` reads them, without `name`."
  type        = any
}

variable "schedule_pattern" {
  description = "What an expression of EventBridge's matches."
  type        = string
}

variable "model_ids" {
  description = "Models that a corpus can name."
  type        = list(string)
}

variable "secret_values" {
  description = "Secret documents by name; a secret without one gets no version."
  type        = map(string)
  sensitive   = true
}

variable "secret_recovery_window_days" {
  description = "Days for which a deleted secret can be restored; 0 deletes at once."
  type        = number
}
