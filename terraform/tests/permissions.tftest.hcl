# Least privilege: what each function may touch, and nothing else.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  expected_account_id = "123456789012"
  bundle_directory    = "tests/fixtures/bundles"
  model_directory     = "tests/fixtures/model"
  corpora = {
    marvel   = { source = { kind = "marvel", base_url = "https://gateway.example.com" } }
    aws-docs = { source = { kind = "jsonl", prefix = "sources/aws-docs/" } }
  }
}

run "defaults" {
  # No wildcards.

  assert {
    condition = alltrue(flatten([
      for function in module.functions : [
        for statement in jsondecode(function.policy).Statement : [
          for action in flatten([statement.Action]) : can(regex("^[a-z0-9]+:[A-Za-z]+$", action))
        ]
      ]
    ]))
    error_message = "Every action is named in full."
  }

  assert {
    condition = alltrue(flatten([
      for function in module.functions : [
        for statement in jsondecode(function.policy).Statement : [
          for resource in flatten([statement.Resource]) : can(regex("^arn:aws:[a-z0-9]+:[a-z0-9-]*:[0-9]*:[^*]", resource))
        ]
      ]
    ]))
    error_message = "Every resource is named, at least by its prefix."
  }

  assert {
    condition     = alltrue(flatten([for function in module.functions : [for statement in jsondecode(function.policy).Statement : statement.Effect == "Allow"]]))
    error_message = "Roles begin with nothing and are allowed what they need."
  }

  assert {
    condition     = alltrue([for function in module.functions : toset(function.managed_policies) == toset(["arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"])])
    error_message = "The only managed policy is X-Ray's, which knows no resources."
  }

  # Objects.

  assert {
    condition = {
      for name, function in module.functions : name => flatten([
        for statement in jsondecode(function.policy).Statement : [
          for resource in statement.Resource : trimprefix(resource, "arn:aws:s3:::ultron-embeddings-123456789012/")
        ] if contains(statement.Action, "s3:GetObject")
      ])
      } == {
      ingest       = ["sources/*", "raw/*", "indexes/*/manifest.json"]
      fetch        = ["sources/*", "raw/*"]
      derive       = ["raw/*"]
      chunker      = ["derived/*"]
      embedder     = ["chunks/*", "models/tiny-model/1/*"]
      indexer      = ["indexes/*/manifest.json", "indexes/*/manifests/*", "indexes/*/shards/*"]
      compactor    = ["indexes/*", "embeddings/*", "chunks/*", "derived/*", "models/tiny-model/1/*"]
      retrieve     = ["indexes/*", "models/tiny-model/1/*"]
      orchestrator = []
    }
    error_message = "Each function reads the prefixes of docs/why/architecture.md and no others."
  }

  assert {
    condition = {
      for name, function in module.functions : name => flatten([
        for statement in jsondecode(function.policy).Statement : [
          for resource in statement.Resource : trimprefix(resource, "arn:aws:s3:::ultron-embeddings-123456789012/")
        ] if contains(statement.Action, "s3:PutObject")
      ])
      } == {
      ingest       = []
      fetch        = ["raw/*"]
      derive       = ["derived/*"]
      chunker      = ["chunks/*"]
      embedder     = ["embeddings/*", "indexes/*/shards/*"]
      indexer      = ["indexes/*/manifest.json", "indexes/*/manifests/*"]
      compactor    = ["indexes/*", "chunks/*/sweep-0000.jsonl.gz", "embeddings/*/sweep-0000.npz"]
      retrieve     = []
      orchestrator = []
    }
    error_message = "Each function writes the prefixes of docs/why/architecture.md and no others."
  }

  assert {
    condition = alltrue(flatten([
      for function in module.functions : [
        for statement in jsondecode(function.policy).Statement :
        keys(statement.Condition) == ["StringLike"] && keys(statement.Condition.StringLike) == ["s3:prefix"] && alltrue([
          for prefix in statement.Condition.StringLike["s3:prefix"] : can(regex("^[a-z]+/", prefix))
        ])
        if contains(statement.Action, "s3:ListBucket")
      ]
    ]))
    error_message = "Listing is bound to the prefixes that may be read, and a list has to name one: no operator lets it leave the prefix out."
  }

  assert {
    condition = alltrue(flatten([
      for function in module.functions : [
        for statement in jsondecode(function.policy).Statement :
        try([for operator in keys(statement.Condition) : operator if endswith(operator, "IfExists")], []) == []
      ]
    ]))
    error_message = "No condition is met by leaving out what it is about."
  }

  assert {
    condition = {
      for name, function in module.functions : name => flatten([
        for statement in jsondecode(function.policy).Statement : [
          for resource in statement.Resource : trimprefix(resource, "arn:aws:s3:::ultron-embeddings-123456789012/")
        ] if anytrue([for action in statement.Action : startswith(action, "s3:Delete")])
      ])
      if strcontains(function.policy, "s3:Delete")
    } == { compactor = ["indexes/*/shards/*", "indexes/*/manifests/*", "indexes/*/maintenance/*"] }
    error_message = "Only the compactor deletes objects: what an index has no use for any more, never its manifest or what it could be made again from."
  }

  # Items.

  assert {
    condition = {
      for name, function in module.functions : name => flatten([
        for statement in jsondecode(function.policy).Statement : statement.Condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        if anytrue([for action in statement.Action : startswith(action, "dynamodb:")])
      ])
      } == {
      ingest       = ["CORPUS#*", "RUN#*", "BUDGET#*", "RATE#*"]
      fetch        = ["CORPUS#*", "RUN#*", "DLQ#fetch", "BUDGET#*", "RATE#*"]
      derive       = ["CORPUS#*", "RUN#*", "DLQ#derive"]
      chunker      = ["CORPUS#*", "RUN#*", "DLQ#chunker"]
      embedder     = ["CORPUS#*", "RUN#*", "ENTITY#*", "DLQ#embedder"]
      indexer      = ["CORPUS#*", "RUN#*", "DLQ#indexer"]
      compactor    = ["CORPUS#*", "RUN#*", "ENTITY#*", "DLQ#compactor"]
      retrieve     = []
      orchestrator = ["CHECKPOINT_*", "WRITES_*", "CHUNK_*"]
    }
    error_message = "Each function uses the items that it is responsible for."
  }

  assert {
    condition = toset([
      for name, function in module.functions : name if strcontains(function.policy, "dynamodb:BatchGetItem")
    ]) == toset(["fetch", "embedder", "compactor"])
    error_message = "Who asks for many items at once may: pages that a page told of, entities."
  }

  # Queues.

  assert {
    condition = {
      for name, function in module.functions : name => flatten([
        for statement in jsondecode(function.policy).Statement : [
          for resource in statement.Resource : trimprefix(resource, "arn:aws:sqs:eu-west-1:123456789012:ultron-")
        ] if contains(statement.Action, "sqs:SendMessage")
      ])
      } == {
      ingest       = ["page-jobs", "compact-jobs", "ingest-dlq"]
      fetch        = ["derive-jobs", "page-jobs", "compact-jobs"]
      derive       = ["chunk-jobs", "compact-jobs"]
      chunker      = ["embed-jobs", "compact-jobs"]
      embedder     = ["index-jobs", "compact-jobs"]
      indexer      = ["compact-jobs"]
      compactor    = ["compact-jobs"]
      retrieve     = []
      orchestrator = []
    }
    error_message = "Each function publishes to the next stage and asks for maintenance, and no more; but fetch puts further pages, and those that wait, on its own queue."
  }

  assert {
    condition = {
      for name, function in module.functions : name => flatten([
        for statement in jsondecode(function.policy).Statement : [
          for resource in statement.Resource : trimprefix(resource, "arn:aws:sqs:eu-west-1:123456789012:ultron-")
        ] if contains(statement.Action, "sqs:ReceiveMessage")
      ])
      } == {
      ingest       = []
      fetch        = ["page-jobs"]
      derive       = ["derive-jobs"]
      chunker      = ["chunk-jobs"]
      embedder     = ["embed-jobs"]
      indexer      = ["index-jobs"]
      compactor    = ["compact-jobs"]
      retrieve     = []
      orchestrator = []
    }
    error_message = "Each function consumes its own queue alone."
  }

  # Secrets and calls.

  assert {
    condition = {
      for name, function in module.functions : name => flatten([
        for statement in jsondecode(function.policy).Statement : statement.Resource if contains(statement.Action, "secretsmanager:GetSecretValue")
      ])
      if strcontains(function.policy, "secretsmanager:")
      } == {
      for name in ["ingest", "fetch"] : name => ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:ultron/sources/*"]
    }
    error_message = "Only ingest and fetch read secrets, and only those of sources."
  }

  assert {
    condition     = toset([for name, function in module.functions : name if strcontains(function.policy, "ssm:")]) == toset(["ingest", "fetch", "derive", "chunker", "embedder", "compactor", "retrieve"])
    error_message = "Only those that need the corpora read them."
  }

  assert {
    condition = {
      for name, function in module.functions : name => flatten([
        for statement in jsondecode(function.policy).Statement : statement.Resource if contains(statement.Action, "lambda:InvokeFunction")
      ])
      if strcontains(function.policy, "lambda:")
      } == {
      retrieve     = ["arn:aws:lambda:eu-west-1:123456789012:function:ultron-retrieve"]
      orchestrator = ["arn:aws:lambda:eu-west-1:123456789012:function:ultron-retrieve"]
    }
    error_message = "Only retrieve is ever called: by the orchestrator, and by itself for an index too large for one."
  }

  assert {
    condition = alltrue([
      for name, function in module.functions : one([
        for statement in jsondecode(function.policy).Statement : statement.Resource if contains(statement.Action, "logs:PutLogEvents")
      ]) == ["arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/ultron-${name}:*"]
    ])
    error_message = "Each function writes its own log alone."
  }
}

run "without_tracing" {
  command = plan

  variables {
    tracing_enabled = false
    corpora         = { docs = { source = { kind = "jsonl", prefix = "sources/docs/" } } }
  }

  assert {
    condition     = alltrue([for function in module.functions : length(function.managed_policies) == 0])
    error_message = "Without tracing there is no managed policy at all."
  }

  assert {
    condition     = length(module.corpora.secret_arns) == 0
    error_message = "Without a source that needs keys there is no secret."
  }
}

run "in_a_vpc" {
  command = plan

  variables {
    enable_vpc = true
  }

  assert {
    condition = toset([
      for name, function in module.functions : name
      if contains(function.managed_policies, "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole")
    ]) == toset(["derive", "chunker", "embedder", "indexer", "compactor", "retrieve", "orchestrator"])
    error_message = "All functions but those that call the source run in the VPC."
  }

  assert {
    condition = toset(module.network[0].endpoint_services) == toset([
      for service in ["s3", "dynamodb", "sqs", "ssm", "lambda"] : "com.amazonaws.eu-west-1.${service}"
    ])
    error_message = "The VPC has an endpoint for everything that the functions in it call."
  }

  assert {
    condition = alltrue(flatten([
      for name, function in module.functions : [
        for statement in jsondecode(function.policy).Statement : [
          for action in statement.Action : contains(
            jsondecode(module.network[0].gateway_policies[split(":", action)[0]]).Statement[0].Action, action
          ) if contains(["s3", "dynamodb"], split(":", action)[0])
        ]
      ] if !contains(["ingest", "fetch"], name)
    ]))
    error_message = "The endpoints of S3 and DynamoDB let through what the functions behind them may do."
  }
}
