# What each function may do: docs/why/architecture.md's table as IAM statements. Besides this each may
# write its own log. No statement allows `*` as an action or a resource.

locals {
  read_and_write_items = [
    "dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem",
  ]

  # Items are many: what is known of some of them is asked for at once.
  read_many_and_write_items = concat(local.read_and_write_items, ["dynamodb:BatchGetItem"])

  # What a sweep records of the entities that are gone, so that a rebuild leaves them out too.
  sweep_records = ["chunks/*/sweep-0000.jsonl.gz", "embeddings/*/sweep-0000.npz"]

  model_objects = [for prefix in values(local.model_prefixes) : "${prefix}*"]

  # Objects by prefix, items by the beginning of their partition key.
  access = {
    # Archives of a source are replayed from where fetch keeps what it gets.
    # It compares the indexes that there are with the model that is set.
    ingest = {
      reads     = ["sources/*", "raw/*", "indexes/*/manifest.json"]
      lists     = ["indexes/*"]
      item_keys = ["CORPUS#*", "RUN#*", "BUDGET#*", "RATE#*"]
    }
    fetch = {
      reads        = ["sources/*", "raw/*"]
      writes       = ["raw/*"]
      item_keys    = ["CORPUS#*", "RUN#*", "DLQ#fetch", "BUDGET#*", "RATE#*"]
      item_actions = local.read_many_and_write_items
    }
    derive = {
      reads     = ["raw/*"]
      writes    = ["derived/*"]
      item_keys = ["CORPUS#*", "RUN#*", "DLQ#derive"]
    }
    chunker = {
      reads     = ["derived/*"]
      writes    = ["chunks/*"]
      item_keys = ["CORPUS#*", "RUN#*", "DLQ#chunker"]
    }
    embedder = {
      reads        = concat(["chunks/*"], local.model_objects)
      writes       = ["embeddings/*", "indexes/*/shards/*"]
      uploads      = ["indexes/*/shards/*"]
      item_keys    = ["CORPUS#*", "RUN#*", "ENTITY#*", "DLQ#embedder"]
      item_actions = local.read_many_and_write_items
    }
    # The first manifest of a model says how many models a corpus had before: it looks for theirs.
    indexer = {
      reads     = ["indexes/*/manifest.json", "indexes/*/manifests/*", "indexes/*/shards/*"]
      lists     = ["indexes/*"]
      writes    = ["indexes/*/manifest.json", "indexes/*/manifests/*"]
      item_keys = ["CORPUS#*", "RUN#*", "DLQ#indexer"]
    }
    compactor = {
      reads        = concat(["indexes/*", "embeddings/*", "chunks/*", "derived/*"], local.model_objects)
      writes       = concat(["indexes/*"], local.sweep_records)
      uploads      = ["indexes/*/shards/*"]
      deletes      = ["indexes/*/shards/*", "indexes/*/manifests/*", "indexes/*/maintenance/*"]
      item_keys    = ["CORPUS#*", "RUN#*", "ENTITY#*", "DLQ#compactor"]
      item_actions = local.read_many_and_write_items
    }
    # An index beyond one environment's memory is searched by several: retrieve calls itself.
    retrieve = {
      reads   = concat(["indexes/*"], local.model_objects)
      invokes = [local.retrieve_called_as]
    }
    # The items are LangGraph's, with the keys and calls of langgraph-checkpoint-aws; its deletion of
    # sessions, by batches, is nothing that anybody here asks for: they expire.
    orchestrator = {
      item_keys    = ["CHECKPOINT_*", "WRITES_*", "CHUNK_*"]
      item_actions = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"]
      invokes      = [local.retrieve_called_as]
    }
  }

  reads_corpora = ["ingest", "fetch", "derive", "chunker", "embedder", "compactor", "retrieve"]
  calls_sources = ["ingest", "fetch"]

  # A page may lead to further pages, and one that has to wait is put back with a later date.
  publishes_to_itself = ["fetch"]

  # What a deployment adds, in the form of the others.
  extra_statements = {
    for name in keys(local.functions) : name => [
      for index, statement in lookup(var.extra_statements, name, []) : {
        Sid       = "Extra${index + 1}"
        Action    = statement.actions
        Resource  = statement.resources
        Condition = statement.conditions
      }
    ]
  }

  # A statement without resources is left out.
  statements = {
    for name, settings in local.functions : name => [
      for statement in [
        {
          Sid       = "ReadObjects"
          Action    = ["s3:GetObject"]
          Resource  = [for pattern in try(local.access[name].reads, []) : "${local.bucket_arn}/${pattern}"]
          Condition = null
        },
        # Who may read a prefix may list it: without that, S3 answers 403 where an object is absent,
        # for which it takes the object's key as the prefix. A list that names no prefix is refused:
        # "IfExists" would let it through, and with it the names of all objects.
        {
          Sid       = "ListObjects"
          Action    = ["s3:ListBucket"]
          Resource  = can(local.access[name].reads) ? [local.bucket_arn] : []
          Condition = { StringLike = { "s3:prefix" = concat(try(local.access[name].reads, []), try(local.access[name].lists, [])) } }
        },
        {
          Sid       = "WriteObjects"
          Action    = ["s3:PutObject"]
          Resource  = [for pattern in try(local.access[name].writes, []) : "${local.bucket_arn}/${pattern}"]
          Condition = null
        },
        # Large files go up in parts, which cost money until they are put together or given up.
        {
          Sid       = "GiveUpUploads"
          Action    = ["s3:AbortMultipartUpload"]
          Resource  = [for pattern in try(local.access[name].uploads, []) : "${local.bucket_arn}/${pattern}"]
          Condition = null
        },
        {
          Sid       = "DeleteObjects"
          Action    = ["s3:DeleteObject"]
          Resource  = [for pattern in try(local.access[name].deletes, []) : "${local.bucket_arn}/${pattern}"]
          Condition = null
        },
        # A transaction is checked as the writes in it.
        {
          Sid       = "UseItems"
          Action    = try(local.access[name].item_actions, local.read_and_write_items)
          Resource  = can(local.access[name].item_keys) ? [local.table_arn] : []
          Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = try(local.access[name].item_keys, []) } }
        },
        {
          Sid       = "ConsumeJobs"
          Action    = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
          Resource  = [for queue in compact([settings.consumes]) : "${local.queue_arn_prefix}${var.name_prefix}-${queue}"]
          Condition = null
        },
        {
          Sid    = "PublishJobs"
          Action = ["sqs:SendMessage"]
          Resource = [
            for queue in compact([
              settings.publishes,
              contains(local.publishes_to_itself, name) ? settings.consumes : null,
              contains(local.asks_for_maintenance, name) ? "compact-jobs" : null,
            ]) :
            "${local.queue_arn_prefix}${var.name_prefix}-${queue}"
          ]
          Condition = null
        },
        # Whether anything can still move a run that holds its corpus.
        {
          Sid       = "CountJobs"
          Action    = ["sqs:GetQueueAttributes"]
          Resource  = [for queue in local.line : "${local.queue_arn_prefix}${var.name_prefix}-${queue}" if name == "ingest"]
          Condition = null
        },
        # Nobody waits for an invocation by the schedule: Lambda itself hands over those that failed.
        {
          Sid       = "GiveUpInvocations"
          Action    = ["sqs:SendMessage"]
          Resource  = name == "ingest" ? ["${local.queue_arn_prefix}${local.schedule_dead_letters}"] : []
          Condition = null
        },
        {
          Sid    = "ReadCorpora"
          Action = ["ssm:GetParameter"]
          Resource = [
            for prefix in [local.parameter_arn_prefix] : "${prefix}${local.corpora_path}/*"
            if contains(local.reads_corpora, name)
          ]
          Condition = null
        },
        # By prefix: corpora that `ultron corpus add` makes have their own secrets.
        {
          Sid       = "ReadSourceKeys"
          Action    = ["secretsmanager:GetSecretValue"]
          Resource  = [for prefix in [local.source_secret_prefix] : "${local.secret_arn_prefix}${prefix}*" if contains(local.calls_sources, name)]
          Condition = null
        },
        {
          Sid       = "InvokeFunctions"
          Action    = ["lambda:InvokeFunction"]
          Resource  = [for function in try(local.access[name].invokes, []) : "${local.function_arn_prefix}${function}"]
          Condition = null
        },
      ] : statement if length(statement.Resource) > 0
    ]
  }
}
