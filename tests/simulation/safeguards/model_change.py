"""Safeguards of a change of model, while which readers keep to the index of the former one."""

from tests.simulation.safeguards.mutant import Mutant

_COMPLETION = "services/compactor/sweep/completion.py"
_GENERATIONS = "shared/index/manifest/generations.py"

MUTANTS = (
    Mutant(
        "embed-parts-of-a-run-of-another-model",
        "services/embedder/embed_part.py",
        "if not is_of_model or job.seq < self.floor.read(job.corpus):",
        "if job.seq < self.floor.read(job.corpus):",
        "All parts of a run are indexed under one model, which the marks of its pages do not name.",
    ),
    Mutant(
        "sweep-under-another-model",
        "services/compactor/sweep/sweep_run.py",
        "if progress.run.is_of_model(model_prefix(self.model)):",
        "if True:",
        "A run sweeps and completes only the index of the model under which it began.",
    ),
    Mutant(
        "incremental-run-after-a-run-of-another-model",
        "services/ingest/plan_run.py",
        "is_other = latest is not None and latest.model_prefix not in {None, model_prefix}",
        "is_other = False",
        "A run reads everything where the run before it kept etags under another model.",
    ),
    Mutant(
        "incremental-run-while-the-index-is-behind",
        "services/ingest/model_change.py",
        "return is_behind(own, manifests)",
        "return False",
        "An index that has to catch up gets a full run.",
    ),
    Mutant(
        "run-with-outdated-parts-succeeds",
        "shared/runs/run_endings.py",
        "if progress.parts_outdated:",
        "if False:",
        "A run of which the index refused a part does not succeed.",
    ),
    Mutant(
        "handed-over-without-a-look",
        _COMPLETION,
        "if missing:",
        "if False:",
        "Readers move only to an index that knows each entity which the run saw.",
    ),
    Mutant(
        "not-handed-over-to-an-index-of-nothing",
        _COMPLETION,
        "            index = None\n",
        "            return None\n",
        "Readers move to an empty index where the source is empty.",
    ),
    Mutant(
        "completed-below-the-newest",
        _COMPLETION,
        ".complete(newest + 1)",
        ".complete(newest)",
        "An index that is complete gets a greater generation than each other one.",
    ),
    Mutant(
        "index-beside-another-is-complete-at-once",
        "shared/index/manifest/manifest_object.py",
        "return self._empty(0, generation=0 if is_alone else None)",
        "return self._empty(0, generation=0)",
        "Readers do not move to an index that is still built.",
    ),
    Mutant(
        "index-that-is-built-is-not-behind",
        _GENERATIONS,
        "return index is None or index.generation is None or index.generation < newest",
        "return index is None or (index.generation or newest) < newest",
        "An index without a generation is behind a complete one.",
    ),
)
