resource "aws_ssm_parameter" "corpus" {
  for_each = var.corpora

  name        = "/${var.name_prefix}/corpora/${each.key}"
  description = "What to ingest as the corpus ${each.key}, and how to cut it."
  type        = "String"
  # Not secret, so that a plan shows what changes.
  insecure_value = jsonencode(merge(each.value, { name = each.key }))
}

resource "aws_secretsmanager_secret" "source" {
  for_each = var.secret_names

  name                    = "${var.name_prefix}/sources/${each.key}"
  description             = "Keys of the source ${each.key}: {\"public_key\", \"private_key\"}."
  recovery_window_in_days = var.secret_recovery_window_days
}

# Without values the container waits for `aws secretsmanager put-secret-value`, which also keeps
# the keys out of Terraform's state.
resource "aws_secretsmanager_secret_version" "source" {
  for_each = toset([
    for name in var.secret_names : name if contains(nonsensitive(keys(var.secret_values)), name)
  ])

  secret_id     = aws_secretsmanager_secret.source[each.key].id
  secret_string = var.secret_values[each.key]
}
