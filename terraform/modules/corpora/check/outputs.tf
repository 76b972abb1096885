output "problems" {
  description = "What is wrong with the corpora, a sentence each; empty when nothing is."
  value       = local.problems
}
