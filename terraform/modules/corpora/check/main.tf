# What is wrong with the corpora, a sentence each. corpus.schema.json is the schema of the models
# that the functions read a corpus with, so this file knows no setting by name but in the rules that
# no schema can tell. Terraform has no recursion: the objects are gone through level by level.

locals {
  schema = jsondecode(file("${path.module}/corpus.schema.json"))

  # A corpus gets its name from its key.
  corpus_definition = {
    properties = { for field, rule in local.schema.properties : field => rule if field != "name" }
    required   = setsubtract(local.schema.required, ["name"])
  }
  definitions = merge(local.schema["$defs"], { Corpus = local.corpus_definition })

  corpora = [for name, corpus in var.corpora : { place = name, type = "Corpus", value = corpus }]

  # Each field that is given, with its rule: the first of two where the second is null.
  fields_of_corpora = flatten([
    for object in local.corpora : [
      for field, rule in local.definitions[object.type].properties :
      { place = "${object.place}.${field}", rule = try(rule.anyOf[0], rule), is_nullable = can(rule.anyOf), value = object.value[field] }
      if can(object.value[field])
    ]
  ])
  parts = flatten([
    for field in local.fields_of_corpora : [
      for reference in [try(field.rule["$ref"], field.rule.discriminator.mapping[field.value[field.rule.discriminator.propertyName]], "")] :
      { place = field.place, type = trimprefix(reference, "#/$defs/"), value = field.value } if reference != ""
    ] if field.value != null
  ])

  fields_of_parts = flatten([
    for object in local.parts : [
      for field, rule in local.definitions[object.type].properties :
      { place = "${object.place}.${field}", rule = try(rule.anyOf[0], rule), is_nullable = can(rule.anyOf), value = object.value[field] }
      if can(object.value[field])
    ]
  ])
  parts_of_parts = flatten([
    for field in local.fields_of_parts : [
      for reference in [try(field.rule["$ref"], field.rule.discriminator.mapping[field.value[field.rule.discriminator.propertyName]], "")] :
      { place = field.place, type = trimprefix(reference, "#/$defs/"), value = field.value } if reference != ""
    ] if field.value != null
  ])

  fields_of_parts_of_parts = flatten([
    for object in local.parts_of_parts : [
      for field, rule in local.definitions[object.type].properties :
      { place = "${object.place}.${field}", rule = try(rule.anyOf[0], rule), is_nullable = can(rule.anyOf), value = object.value[field] }
      if can(object.value[field])
    ]
  ])

  objects = concat(local.corpora, local.parts, local.parts_of_parts)
  fields  = concat(local.fields_of_corpora, local.fields_of_parts, local.fields_of_parts_of_parts)
  given   = [for field in local.fields : field if field.value != null]

  # Texts may be a field, an item of a list, or a value of a map.
  texts = concat(
    [for field in local.given : { place = field.place, rule = field.rule, value = field.value } if try(field.rule.type, "") == "string"],
    flatten([
      for field in local.given : [
        for index, item in field.value : { place = "${field.place}[${index}]", rule = field.rule.items, value = item }
      ] if try(field.rule.type, "") == "array" && startswith(jsonencode(field.value), "[")
    ]),
    flatten([
      for field in local.given : [
        for name, value in field.value : { place = "${field.place}.${name}", rule = one(values(field.rule.patternProperties)), value = value }
      ] if can(field.rule.patternProperties) && can(keys(field.value))
    ]),
  )

  # Of what shape a value is, Terraform tells only by how it is written: it takes "5" for a number.
  problems_of_shape = concat(
    [for object in local.objects : "${object.place} must be an object" if !can(keys(object.value))],
    flatten([
      for object in local.objects : [
        for field in setsubtract(try(keys(object.value), []), keys(local.definitions[object.type].properties)) :
        "${object.place}.${field} is no setting of it; there are ${join(", ", keys(local.definitions[object.type].properties))}"
      ]
    ]),
    flatten([
      for object in local.objects : [
        for field in setsubtract(try(local.definitions[object.type].required, []), try(keys(object.value), [])) : "${object.place}.${field} is missing"
      ]
    ]),
    [for field in local.fields : "${field.place} must not be null; leave it out" if field.value == null && !field.is_nullable],
    [
      for field in local.given :
      "${field.place}.${field.rule.discriminator.propertyName} must be one of ${join(", ", keys(field.rule.discriminator.mapping))}"
      if can(field.rule.discriminator) && !can(field.rule.discriminator.mapping[field.value[field.rule.discriminator.propertyName]])
    ],
    [
      for field in local.given : "${field.place} must be a list" if try(field.rule.type, "") == "array" && !startswith(jsonencode(field.value), "[")
    ],
    [
      for field in local.given : "${field.place} must be a map" if can(field.rule.patternProperties) && !can(keys(field.value))
    ],
  )

  problems_of_numbers = [
    for field in local.given : format(
      "%s must be a %snumber%s%s%s", field.place,
      field.rule.type == "integer" ? "whole " : "",
      try(" from ${field.rule.minimum}", ""),
      try(" above ${field.rule.exclusiveMinimum}", ""),
      try(" to ${field.rule.maximum}", ""),
    )
    if contains(["integer", "number"], try(field.rule.type, "")) && !try(
      startswith(jsonencode(field.value), "\"") == false
      && field.value >= try(field.rule.minimum, field.value)
      && field.value <= try(field.rule.maximum, field.value)
      && field.value != try(field.rule.exclusiveMinimum, null)
      && field.value >= try(field.rule.exclusiveMinimum, field.value)
      && (field.rule.type == "number" || floor(field.value) == field.value),
      false,
    )
  ]

  problems_of_texts = concat(
    [for text in local.texts : "${text.place} must be a text" if !startswith(jsonencode(text.value), "\"")],
    [
      for text in local.texts : "${text.place} must match ${text.rule.pattern}"
      if can(text.rule.pattern) && !can(regex(text.rule.pattern, text.value))
    ],
    [
      for text in local.texts : "${text.place} must be one of ${join(" ", [for choice in text.rule.enum : jsonencode(choice)])}"
      if can(text.rule.enum) && !try(contains(text.rule.enum, text.value), false)
    ],
    [
      for text in local.texts : "${text.place} must have ${try(text.rule.minLength, 0)} to ${text.rule.maxLength} characters"
      if can(text.rule.maxLength) && !try(length(text.value) >= try(text.rule.minLength, 0) && length(text.value) <= text.rule.maxLength, false)
    ],
  )

  problems_of_many = concat(
    [
      for field in local.given : "${field.place} must have ${field.rule.minItems} or more items"
      if try(length(field.value) < field.rule.minItems, false)
    ],
    [
      for field in local.given : "${field.place} must have ${field.rule.maxItems} items or fewer"
      if try(length(field.value) > field.rule.maxItems, false)
    ],
    [
      for field in local.given : "${field.place} must have at most ${field.rule.maxProperties} entries"
      if try(length(field.value) > field.rule.maxProperties, false)
    ],
    flatten([
      for field in local.given : [
        for name in try(keys(field.value), []) : "${field.place}.${name} has a name that does not match ${one(keys(field.rule.patternProperties))}"
        if !can(regex(one(keys(field.rule.patternProperties)), name))
      ] if can(field.rule.patternProperties)
    ]),
  )

  # What the models say in code, and what AWS would refuse.
  problems_of_meaning = flatten([
    for name, corpus in var.corpora : concat(
      [
        for kind in [try(corpus.source.kind, "jsonl")] : "${name}.mapping is not for sources of the kind ${kind}; leave it out"
        if try(corpus.mapping, null) != null && !contains(["jsonl", "http_json"], kind)
      ],
      [
        for chunking in [try(corpus.chunking, null)] : "${name}.chunking.overlap_characters must be at most half of target_characters"
        if try(
          try(chunking.overlap_characters, local.definitions.ChunkingSettings.properties.overlap_characters.default) * 2
          > try(chunking.target_characters, local.definitions.ChunkingSettings.properties.target_characters.default),
          false,
        )
      ],
      [
        for source in [try(corpus.source, null)] : "${name}.source.titles_per_request must be at most 20 with text = extract"
        if try(
          source.kind == "mediawiki" && source.text == "extract"
          && try(source.titles_per_request, 0) > 20,
          false,
        )
      ],
      [
        for mode in ["incremental", "full"] :
        "${name}.schedule.${mode} must be as EventBridge wants it: cron(…) with six fields, rate(1 hour) or rate(2 hours)"
        if try(corpus.schedule[mode], null) != null && !can(regex(var.schedule_pattern, corpus.schedule[mode]))
      ],
      [
        for deployed in [join(", ", var.model_ids)] : "${name}.model must be one of the deployed models: ${deployed}"
        if try(!contains(var.model_ids, corpus.model), false)
      ],
      # Terraform counts no bytes, but four characters of base64 are three.
      [
        for base64 in [try(base64encode(jsonencode(merge(corpus, { name = name }))), "")] :
        "${name} is longer than the 4096 bytes of JSON that a parameter takes; leave out what is the default, or shorten its expressions"
        if floor(length(trim(base64, "=")) * 3 / 4) > 4096
      ],
    )
  ])

  problems = concat(
    local.problems_of_shape,
    local.problems_of_numbers,
    local.problems_of_texts,
    local.problems_of_many,
    local.problems_of_meaning,
  )
}
