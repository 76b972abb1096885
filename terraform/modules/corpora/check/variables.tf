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
