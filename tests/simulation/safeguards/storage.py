"""Safeguards of the table, of its clock, and of the bucket."""

from tests.simulation.safeguards.mutant import Mutant

_TABLE = "shared/table/table.py"
_CLOCK = "shared/table/table_clock.py"
_S3 = "shared/storage/s3.py"

MUTANTS = (
    Mutant(
        "transaction-without-token",
        _TABLE,
        "TransactItems=list(writes), ClientRequestToken=token",
        "TransactItems=list(writes)",
        "A transaction that the client sends twice does not fail on its own conditions.",
    ),
    Mutant(
        "transaction-token-renewed",
        _TABLE,
        """\
        token = uuid.uuid4().hex
        for attempt in range(_TRANSACTION_ATTEMPTS):
""",
        """\
        for attempt in range(_TRANSACTION_ATTEMPTS):
            token = uuid.uuid4().hex
""",
        "An attempt whose answer was lost is recognised by the attempt that follows it.",
    ),
    Mutant(
        "transaction-conflict-is-final",
        _TABLE,
        '{"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}',
        '{"ThrottlingError", "ProvisionedThroughputExceeded"}',
        "A transaction that meets another one is tried again instead of failing its job.",
    ),
    Mutant(
        "throttled-transaction-is-final",
        _TABLE,
        '{"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}',
        '{"TransactionConflict"}',
        "A transaction that is throttled is tried again instead of failing its job.",
    ),
    Mutant(
        "unread-keys-overlooked",
        _TABLE,
        'asked = dict(response.get("UnprocessedKeys") or {})',
        "asked = {}",
        "Items that a batch read left out are asked for again and do not pass for missing.",
    ),
    Mutant(
        "refused-write-drops-the-others",
        _TABLE,
        "left = [position for position in left if position not in failed]",
        "left = []",
        "Of many independent writes, one that is refused does not keep the others from being made.",
    ),
    Mutant(
        "item-read-from-an-old-copy",
        _TABLE,
        'TableName=self._name, Key=serialise({"PK": pk, "SK": sk}), ConsistentRead=True',
        'TableName=self._name, Key=serialise({"PK": pk, "SK": sk}), ConsistentRead=False',
        "A decision is made by the present state of an item and not by a state of a moment ago.",
    ),
    Mutant(
        "time-of-the-machine",
        _CLOCK,
        "return min(max(self._wall(), earliest), earliest + _RESOLUTION)",
        "return self._wall()",
        "Leases and numbers of runs are decided by the table's time, whatever a machine's is.",
    ),
    Mutant(
        "time-of-the-machine-unbounded",
        _CLOCK,
        "return min(max(self._wall(), earliest), earliest + _RESOLUTION)",
        "return max(self._wall(), earliest)",
        "A machine whose clock is ahead is believed within one second only.",
    ),
    Mutant(
        "time-is-not-read-again",
        _CLOCK,
        "_READ_AGAIN_AFTER_SECONDS = 5.0",
        "_READ_AGAIN_AFTER_SECONDS = 1e12",
        "A reading of the table's time is used for five seconds and not for ever.",
    ),
    Mutant(
        "write-without-if-match",
        _S3,
        'request["IfMatch"] = if_match',
        "pass",
        "An object is replaced only while it is the one that was read.",
    ),
    Mutant(
        "write-without-if-absent",
        _S3,
        'request["IfNoneMatch"] = "*"',
        "pass",
        "An object that must be new is written only where there is none.",
    ),
    Mutant(
        "undecided-write-is-a-conflict",
        _S3,
        """\
_CONFLICT = {"PreconditionFailed", "412"}
# 409: another write of the same key is under way. This one was not made; S3 asks to send it again.
_UNDECIDED = {"ConditionalRequestConflict", "OperationAborted", "409"}
""",
        """\
_CONFLICT = {"PreconditionFailed", "412", "ConditionalRequestConflict", "OperationAborted", "409"}
_UNDECIDED: set[str] = set()
""",
        "A write that S3 did not decide (409) is sent again and does not pass for a lost race.",
    ),
    Mutant(
        "landed-write-is-a-conflict",
        _S3,
        "is_repeated = attempt > 0 or _was_repeated(error)",
        "is_repeated = False",
        "A write that the client repeated, and that then meets itself, counts as made.",
    ),
    Mutant(
        "write-of-another-counts-as-ours",
        _S3,
        'is_ours = present.data == request["Body"] and present.metadata == request["Metadata"]',
        "is_ours = True",
        "After a repeated write, what another writer put there does not pass for this one's.",
    ),
    Mutant(
        "write-with-other-metadata-counts-as-ours",
        _S3,
        'is_ours = present.data == request["Body"] and present.metadata == request["Metadata"]',
        'is_ours = present.data == request["Body"]',
        "Two writers of equal bytes with other metadata are told apart after a repeated write.",
    ),
    Mutant(
        "deleted-object-is-no-conflict",
        _S3,
        "if if_match is not None and _code(error) in _MISSING:",
        "if False:",
        "An object that is deleted while it is replaced leads to a second look, not to a failure.",
    ),
)
