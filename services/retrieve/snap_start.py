"""Lambda SnapStart: what goes into the snapshot of an environment, and what must not."""

import importlib
import random
from collections.abc import Callable

_RUNTIME_MODULE = "snapshot_restore_py"


def register(load: Callable[[], object], forget: Callable[[], object]) -> bool:
    """Have the runtime call us around a snapshot, where there is one that takes snapshots.

    Before it, `load` loads what is slow to load and never changes, and `forget` drops what the
    environments made of it must not share: connections, threads, the state of indexes. After a
    restore `forget` is called again, to be sure, and the random numbers are seeded again: otherwise
    all environments would wait the same jitter.

    Returns:
        Whether the runtime takes snapshots.
    """
    try:
        runtime = importlib.import_module(_RUNTIME_MODULE)
    except ModuleNotFoundError:
        return False

    def before_snapshot() -> None:
        load()
        forget()

    def after_restore() -> None:
        forget()
        random.seed()

    runtime.register_before_snapshot(before_snapshot)
    runtime.register_after_restore(after_restore)
    return True
