"""A real server whose answers are a function of the request, for sources that ask in any order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.models.sources import RateLimit
from shared.web.rates import Slot
from tests.integration.conformance.server import SiteServer, running_site_server
from tests.integration.conformance.site import Answer, Site
from tests.integration.sources.clients import OpenRates
from tests.integration.sources.scripted_server import Request


class _Routes(Site):
    name = "routes"
    is_chained = False

    def __init__(self, answers: Callable[[Request], Answer]) -> None:
        super().__init__()
        self._answers = answers

    def source(self, url: str) -> dict[str, object]:
        return {}

    def answer(self, request: Request) -> Answer:
        return self._answers(request)

    def entity_key(self, record: int) -> str:
        return str(record)


@contextmanager
def running_routes(answers: Callable[[Request], Answer]) -> Iterator[SiteServer]:
    """Serve on a free port until the block ends."""
    with running_site_server() as server:
        server.serve(_Routes(answers))
        yield server


@dataclass
class FewSlots(OpenRates):
    """Grants so many slots; whoever comes later is to wait a minute."""

    slots: int = 0

    def take(self, bucket: str, rate: RateLimit, patience_seconds: float) -> Slot:
        if len(self.taken) >= self.slots:
            return Slot(is_granted=False, wait_seconds=60.0)
        return super().take(bucket, rate, patience_seconds)


class SlowTurns(OpenRates):
    """Lets every call wait for a minute, and then be made."""

    def take(self, bucket: str, rate: RateLimit, patience_seconds: float) -> Slot:
        self.taken.append(bucket)
        return Slot(is_granted=True, wait_seconds=60.0)
