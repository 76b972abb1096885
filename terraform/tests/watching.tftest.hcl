# What shows how a deployment does: the dashboard, saved queries, e-mails and the budget.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  expected_account_id = "123456789012"
  bundle_directory    = "tests/fixtures/bundles"
  model_directory     = "tests/fixtures/model"
  corpora = {
    docs = { source = { kind = "jsonl", prefix = "sources/docs/" } }
  }
}

run "all_of_it" {
  command = plan

  variables {
    dashboard_enabled  = true
    alarm_emails       = ["search-team@example.com", "on-call@example.com"]
    monthly_budget_usd = 50
  }

  assert {
    condition = alltrue([
      for queue in keys(module.queues) :
      contains([for metric in module.dashboard[0].widgets.age.metrics : metric[3]], "ultron-${queue}")
    ])
    error_message = "The dashboard shows the age of the oldest message of each queue."
  }

  assert {
    condition = alltrue([
      for name in keys(module.functions) :
      contains([for metric in module.dashboard[0].widgets.errors.metrics : metric[3]], "ultron-${name}")
    ])
    error_message = "The dashboard shows the errors of each function."
  }

  assert {
    condition     = length(module.dashboard[0].widgets.dead_letters.metrics) == 7
    error_message = "The dashboard shows all dead-letter queues, the schedule's too."
  }

  assert {
    condition     = alltrue([for metric in module.dashboard[0].widgets.funnel.metrics : metric[0] == "ultron"])
    error_message = "The funnel shows the metrics of the functions, in the namespace of the deployment."
  }

  assert {
    condition = alltrue(flatten([
      for query in module.dashboard[0].saved_queries : [for group in query.groups : startswith(group, "/aws/lambda/ultron-")]
    ]))
    error_message = "Saved queries read the logs of the functions."
  }

  assert {
    condition     = length(module.notifications[0].emails) == 2
    error_message = "Each address is subscribed."
  }

  assert {
    condition     = module.notifications[0].budget[0].shares == { ACTUAL = 80, FORECASTED = 100 }
    error_message = "The budget sends an e-mail at 80 % of the costs, and at 100 % of the forecast."
  }

  assert {
    condition     = tolist(module.notifications[0].budget[0].filters.TagKeyValue) == tolist(["user:deployment$ultron"])
    error_message = "The budget counts what has the tag of this deployment."
  }
}
