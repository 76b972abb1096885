# A corpus that the functions would refuse is refused before anything is planned, and it is said
# which and why.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name_prefix                 = "ultron"
  schedule_pattern            = "^(cron\\([^ )]+( [^ )]+){5}\\)|rate\\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\\))$"
  model_ids                   = ["other-model", "tiny-model"]
  secret_values               = {}
  secret_recovery_window_days = 7
}

run "every_kind_with_every_setting" {
  module {
    source = "./modules/corpora/check"
  }

  variables {
    corpora = {
      marvel = {
        source = {
          kind = "marvel", base_url = "http://127.0.0.1:4570", endpoints = ["comics", "series"], page_size = 1, secret_name = "other"
          rate = { calls_per_second = 0.5, burst = 1, calls_per_day = null }
        }
        chunking               = { target_characters = 80, overlap_characters = 40 }
        schedule               = { incremental = "rate(1 hour)", full = "cron(0 3 ? * SAT#1 *)" }
        model                  = "other-model"
        maximum_vanished_share = 0
      }
      archive = { source = { kind = "marvel_archive", prefix = "raw/marvel/2025/", endpoints = ["characters"] } }
      files = {
        source = { kind = "jsonl", prefix = "sources/files/", page_bytes = 33554432, items = "records", csv_delimiter = "\t" }
        mapping = {
          id       = "key", title = "name", text = "body", url = null, modified = "updated_at", type = "kind", entity_type = "note", text_format = "html"
          metadata = { team = "owner.team" }
        }
        schedule = { incremental = null }
      }
      api = {
        source = {
          kind   = "http_json", url = "https://api.example.com/items?all=1", query = { state = "open" }, headers = { Accept = "application/json" }
          items  = "data", total = "meta.total", since_parameter = "updated_after"
          paging = { style = "offset", offset_parameter = "skip", limit_parameter = "take", page_size = 10000 }
          auth   = { place = "query", name = "key", prefix = "", secret_name = "api", secret_field = "token" }
          rate   = { calls_per_second = 1000 }
        }
      }
      numbers = { source = { kind = "http_json", url = "https://api.example.com", paging = { style = "number", page_parameter = "p", size_parameter = null, page_size = 1, first_page = 0 } } }
      cursors = { source = { kind = "http_json", url = "https://api.example.com", paging = { style = "cursor", cursor_parameter = "after", next_cursor = "next" } } }
      links   = { source = { kind = "http_json", url = "https://api.example.com", paging = { style = "link" } } }
      nexts   = { source = { kind = "http_json", url = "https://api.example.com", paging = { style = "next_url", next_url = "links.next" } } }
      single  = { source = { kind = "http_json", url = "https://api.example.com", paging = { style = "single" } } }
      wiki = {
        source = {
          kind                = "mediawiki", api_url = "https://wiki.example.com/w/api.php", namespace = 0, category = "Androids", text = "extract", titles_per_request = 20
          maximum_lag_seconds = 60, entity_type = "page", rate = { calls_per_second = 1 }
        }
      }
      site = {
        source = {
          kind          = "sitemap", sitemap_url = "https://example.com/sitemap.xml", url_prefixes = ["https://example.com/docs/"], maximum_pages = 1000000
          urls_per_page = 50, entity_type = "page", rate = { calls_per_second = 1 }
        }
      }
    }
  }

  assert {
    condition     = output.problems == []
    error_message = "What the models take is taken: ${join("; ", output.problems)}"
  }
}

run "what_is_wrong_is_named" {
  module {
    source = "./modules/corpora/check"
  }

  variables {
    corpora = {
      a-text        = "jsonl"
      no-source     = { chunking = {} }
      no-kind       = { source = { prefix = "sources/docs/" } }
      a-feed        = { source = { kind = "rss", url = "https://example.com/feed" } }
      misspelt      = { source = { kind = "jsonl", prefix = "sources/docs/" }, chunks = {} }
      misspelt-too  = { source = { kind = "jsonl", prefix = "sources/docs/" }, mapping = { text_field = "body" } }
      of-another    = { source = { kind = "marvel_archive", prefix = "sources/docs/", page_size = 10 } }
      no-url        = { source = { kind = "marvel" } }
      a-password    = { source = { kind = "marvel", base_url = "https://me:secret@example.com" } }
      page-size     = { source = { kind = "marvel", base_url = "https://example.com", page_size = 101 } }
      half-a-page   = { source = { kind = "marvel", base_url = "https://example.com", page_size = 1.5 } }
      page-in-words = { source = { kind = "marvel", base_url = "https://example.com", page_size = "20" } }
      page-of-null  = { source = { kind = "marvel", base_url = "https://example.com", page_size = null } }
      endpoints     = { source = { kind = "marvel", base_url = "https://example.com", endpoints = ["comics", "films"] } }
      no-endpoints  = { source = { kind = "marvel", base_url = "https://example.com", endpoints = [] } }
      an-endpoint   = { source = { kind = "marvel", base_url = "https://example.com", endpoints = "comics" } }
      too-slow      = { source = { kind = "marvel", base_url = "https://example.com", rate = { calls_per_second = 0 } } }
      outside       = { source = { kind = "jsonl", prefix = "raw/docs/" } }
      no-slash      = { source = { kind = "jsonl", prefix = "sources/docs" } }
      no-paging     = { source = { kind = "http_json", url = "https://example.com", paging = { style = "scroll" } } }
      no-cursor     = { source = { kind = "http_json", url = "https://example.com", paging = { style = "cursor" } } }
      no-secret     = { source = { kind = "http_json", url = "https://example.com", auth = { name = "key" } } }
      a-header      = { source = { kind = "http_json", url = "https://example.com", headers = { "X Y" = "a", Z = "" } } }
      a-query       = { source = { kind = "http_json", url = "https://example.com", query = { limit = 5 } } }
      queries       = { source = { kind = "http_json", url = "https://example.com", query = "limit=5" } }
      extracts      = { source = { kind = "mediawiki", api_url = "https://example.com", text = "extract", titles_per_request = 21 } }
      prefixes      = { source = { kind = "sitemap", sitemap_url = "https://example.com/sitemap.xml", url_prefixes = ["docs/"] } }
      small-chunks  = { source = { kind = "jsonl", prefix = "sources/docs/" }, chunking = { target_characters = 79, overlap_characters = 0 } }
      overlap       = { source = { kind = "jsonl", prefix = "sources/docs/" }, chunking = { overlap_characters = 141 } }
      more-than-all = { source = { kind = "jsonl", prefix = "sources/docs/" }, maximum_vanished_share = 1.5 }
      no-model      = { source = { kind = "jsonl", prefix = "sources/docs/" }, model = "unknown" }
      five-fields   = { source = { kind = "jsonl", prefix = "sources/docs/" }, schedule = { incremental = "cron(0 6 * * *)" } }
      one-hours     = { source = { kind = "jsonl", prefix = "sources/docs/" }, schedule = { full = "rate(1 hours)" } }
      nightly       = { source = { kind = "jsonl", prefix = "sources/docs/" }, schedule = "cron(0 6 * * ? *)" }
      mapped        = { source = { kind = "sitemap", sitemap_url = "https://example.com/sitemap.xml" }, mapping = {} }
      named         = { source = { kind = "jsonl", prefix = "sources/docs/" }, name = "other" }
      too-large     = { source = { kind = "http_json", url = "https://example.com", query = { for number in range(5) : "q${number}" => join("", [for repeat in range(800) : "x"]) } } }
      no-id         = { source = { kind = "jsonl", prefix = "sources/docs/" }, mapping = { id = "" } }
    }
  }

  assert {
    condition = output.problems == [
      "a-text must be an object",
      "nightly.schedule must be an object",
      "misspelt.chunks is no setting of it; there are chunking, mapping, maximum_vanished_share, model, schedule, source",
      "named.name is no setting of it; there are chunking, mapping, maximum_vanished_share, model, schedule, source",
      "misspelt-too.mapping.text_field is no setting of it; there are entity_type, id, metadata, modified, text, text_format, title, type, url",
      "of-another.source.page_size is no setting of it; there are endpoints, kind, prefix",
      "a-text.source is missing",
      "no-source.source is missing",
      "no-url.source.base_url is missing",
      "no-cursor.source.paging.next_cursor is missing",
      "no-secret.source.auth.secret_name is missing",
      "page-of-null.source.page_size must not be null; leave it out",
      "a-feed.source.kind must be one of http_json, jsonl, marvel, marvel_archive, mediawiki, sitemap",
      "no-kind.source.kind must be one of http_json, jsonl, marvel, marvel_archive, mediawiki, sitemap",
      "no-paging.source.paging.style must be one of cursor, link, next_url, number, offset, single",
      "an-endpoint.source.endpoints must be a list",
      "queries.source.query must be a map",
      "more-than-all.maximum_vanished_share must be a number from 0 to 1",
      "half-a-page.source.page_size must be a whole number from 1 to 100",
      "page-in-words.source.page_size must be a whole number from 1 to 100",
      "page-size.source.page_size must be a whole number from 1 to 100",
      "small-chunks.chunking.target_characters must be a whole number from 80 to 4000",
      "too-slow.source.rate.calls_per_second must be a number above 0 to 1000",
      "a-query.source.query.limit must be a text",
      "a-password.source.base_url must match ^https?://[^\\s/@]+(/[^\\s]*)?$",
      "no-slash.source.prefix must match ^sources/[a-z0-9][A-Za-z0-9_./-]*/$",
      "outside.source.prefix must match ^sources/[a-z0-9][A-Za-z0-9_./-]*/$",
      "prefixes.source.url_prefixes[0] must match ^https?://[^\\s/@]+(/[^\\s]*)?$",
      "a-header.source.headers.Z must match ^[\\x21-\\x7e][\\x20-\\x7e]{0,999}$",
      "endpoints.source.endpoints[1] must be one of \"characters\" \"comics\" \"series\" \"events\" \"stories\" \"creators\"",
      "no-id.mapping.id must have 1 to 1000 characters",
      "no-endpoints.source.endpoints must have 1 or more items",
      "a-header.source.headers.X Y has a name that does not match ^[A-Za-z0-9-]{1,100}$",
      "extracts.source.titles_per_request must be at most 20 with text = extract",
      "five-fields.schedule.incremental must be as EventBridge wants it: cron(…) with six fields, rate(1 hour) or rate(2 hours)",
      "mapped.mapping is not for sources of the kind sitemap; leave it out",
      "no-model.model must be one of the deployed models: other-model, tiny-model",
      "one-hours.schedule.full must be as EventBridge wants it: cron(…) with six fields, rate(1 hour) or rate(2 hours)",
      "overlap.chunking.overlap_characters must be at most half of target_characters",
      "too-large is longer than the 4096 bytes of JSON that a parameter takes; leave out what is the default, or shorten its expressions",
    ]
    error_message = "Each mistake is named with its place: ${join("\n", output.problems)}"
  }
}

run "nothing_is_made_of_wrong_corpora" {
  command = plan

  module {
    source = "./modules/corpora"
  }

  variables {
    corpora = {
      docs  = { source = { kind = "jsonl", prefix = "sources/docs/" } }
      wrong = { source = { kind = "jsonl", prefix = "elsewhere/" } }
    }
  }

  expect_failures = [output.corpora]
}

run "documents_and_secrets" {
  module {
    source = "./modules/corpora"
  }

  variables {
    corpora = {
      marvel  = { source = { kind = "marvel", base_url = "https://gateway.example.com" } }
      mirror  = { source = { kind = "marvel", base_url = "https://mirror.example.com", secret_name = "mirror" } }
      tickets = { source = { kind = "http_json", url = "https://tickets.example.com", auth = { secret_name = "tickets" } } }
      open    = { source = { kind = "http_json", url = "https://open.example.com" } }
      archive = { source = { kind = "marvel_archive", prefix = "raw/marvel/" } }
    }
    secret_values = { marvel = "{}" }
  }

  assert {
    condition     = jsondecode(output.parameter_values.mirror) == { name = "mirror", source = { kind = "marvel", base_url = "https://mirror.example.com", secret_name = "mirror" } }
    error_message = "A corpus is stored as it was given, with its name."
  }

  assert {
    condition     = alltrue([for parameter in aws_ssm_parameter.corpus : parameter.tags.ManagedBy == "terraform"])
    error_message = "The tag says that Terraform would undo what others change."
  }

  assert {
    condition     = keys(output.secret_arns) == ["marvel", "mirror", "tickets"]
    error_message = "Each secret that a corpus names is there to be filled."
  }

  assert {
    condition     = output.secrets_with_a_value == ["marvel"]
    error_message = "A secret that no value was given for is left empty."
  }
}
