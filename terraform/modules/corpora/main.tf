module "check" {
  source = "./check"

  corpora          = var.corpora
  schedule_pattern = var.schedule_pattern
  model_ids        = var.model_ids
}

locals {
  # None while anything is wrong, so that only that is reported.
  corpora   = { for name, corpus in var.corpora : name => corpus if length(module.check.problems) == 0 }
  documents = { for name, corpus in local.corpora : name => jsonencode(merge(corpus, { name = name })) }

  secret_names = toset(compact(flatten([
    for corpus in values(local.corpora) : [
      corpus.source.kind == "marvel" ? try(corpus.source.secret_name, "marvel") : "",
      try(corpus.source.auth.secret_name, ""),
    ]
  ])))
}

# `ultron corpus` leaves alone what bears this tag: the next apply would undo what it changes.
resource "aws_ssm_parameter" "corpus" {
  #checkov:skip=CKV2_AWS_34:it holds no secret, and a plan shows what changes
  for_each = local.documents

  name        = "/${var.name_prefix}/corpora/${each.key}"
  description = "What to ingest as the corpus ${each.key}, and how to cut it."
  type        = "String"
  # Not secret, so that a plan shows what changes.
  insecure_value = each.value
  tags           = { ManagedBy = "terraform" }
}

resource "aws_secretsmanager_secret" "source" {
  #checkov:skip=CKV_AWS_149:a key of one's own costs a fee each month and protects no better here than the key of AWS
  #checkov:skip=CKV2_AWS_57:the source gives these credentials out, so nothing here can rotate them
  for_each = local.secret_names

  name                    = "${var.name_prefix}/sources/${each.key}"
  description             = "Credentials of sources, as a JSON object: of the kind marvel {\"public_key\", \"private_key\"}, of others what their auth names."
  recovery_window_in_days = var.secret_recovery_window_days
}

# Without values the container waits for `aws secretsmanager put-secret-value`, which also keeps
# the keys out of Terraform's state.
resource "aws_secretsmanager_secret_version" "source" {
  for_each = toset([
    for name in local.secret_names : name if contains(nonsensitive(keys(var.secret_values)), name)
  ])

  secret_id     = aws_secretsmanager_secret.source[each.key].id
  secret_string = var.secret_values[each.key]
}
