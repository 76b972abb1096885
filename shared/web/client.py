"""The only client of sources over HTTP: rate-limit slots, retries, refusals, redirects."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus

from shared.errors import PostponedError, SourceCredentialsError, SourceError
from shared.errors import SourceUnavailableError as Unavailable
from shared.models.sources import RateLimit
from shared.platform.observability import logger
from shared.web.http_get import HttpClient, HttpResponse, TransportError
from shared.web.rates import SharedRates, Slot
from shared.web.redirects import REDIRECTS, Credentials, OutboundRequest, host_path
from shared.web.retry import Backoff, RetryPolicy, Timing, WaitPolicy, parse_retry_after

_FOLLOWED_REDIRECTS = 5
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_FORBIDDEN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NO_CREDENTIALS = Credentials()
_ONLY_OK: Collection[int] = frozenset({HTTPStatus.OK})

Attempt = Callable[[], HttpResponse]
Refuses = Callable[[HttpResponse], bool]
"""Returns whether an answer with an accepted status is a refusal all the same."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """What an attempt met: `is_refusal` says that the source asks for fewer calls."""

    problem: str
    is_refusal: bool = False
    retry_after_seconds: float | None = None


class SourceClient:
    """Calls a source for one job, within the limits that all workers share."""

    def __init__(
        self,
        http: HttpClient,
        bucket: str,
        rate: RateLimit,
        rates: SharedRates,
        *,
        retry_policy: RetryPolicy | None = None,
        wait_policy: WaitPolicy | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._http = http
        self._bucket = bucket
        self._rate = rate
        self._rates = rates
        self._retry_policy = retry_policy or RetryPolicy()
        self._wait_policy = wait_policy or WaitPolicy()
        self._timing = timing or Timing()
        self._patience_seconds = self._wait_policy.patience_seconds

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        accepted: Collection[int] = _ONLY_OK,
        credentials: Credentials = _NO_CREDENTIALS,
        refuses: Refuses | None = None,
    ) -> HttpResponse:
        """Return an answer with an accepted status; its `url` is where it was found at last.

        Redirects are followed; `credentials` and headers that could hold some only go to the
        origin of `url`.

        Raises:
            SourceCredentialsError: the source answered 401 or 403.
            SourceError: another status, or an address that may not be called.
            SourceUnavailableError: the source kept failing.
            BudgetExhaustedError: the day's calls are spent.
            PostponedError: the call has to wait longer than a moment.
        """
        backoff = Backoff(self._retry_policy, self._timing)
        request = OutboundRequest(url, headers or {}, credentials)
        for _ in range(_FOLLOWED_REDIRECTS + 1):
            attempt = partial(self._http.get, request.full_url, request.full_headers)
            response = self._send(attempt, backoff, refuses)
            if response.status in accepted:
                return replace(response, url=request.url)
            location = response.headers.get("location")
            if response.status not in REDIRECTS or not location:
                raise _not_accepted(request, response)
            request = request.redirected(location)
            if backoff.is_out_of_time:
                raise Unavailable(
                    f"{host_path(url)} led on for {backoff.elapsed_seconds:.0f} seconds; "
                    "it is too slow"
                )
        raise SourceError(f"{host_path(url)} redirects more than {_FOLLOWED_REDIRECTS} times")

    def send(self, attempt: Attempt) -> HttpResponse:
        """Return the first answer of `attempt` that is neither 429 nor 5xx, whatever it is.

        For calls that are signed again each time: `attempt` makes one call and follows no redirect.

        Raises:
            SourceUnavailableError, BudgetExhaustedError, PostponedError: as `get`.
        """
        return self._send(attempt, Backoff(self._retry_policy, self._timing), None)

    def _send(self, attempt: Attempt, backoff: Backoff, refuses: Refuses | None) -> HttpResponse:
        while True:
            slot = self._take_slot()
            try:
                response = attempt()
            except TransportError as error:
                failure = _Failure(str(error))
            else:
                found = self._failure_of(response, refuses)
                if found is None:
                    if slot.refused_seconds is not None:
                        self._rates.end_refusal(self._bucket)
                    return response
                failure = found
            self._wait_out(failure, backoff)

    def _take_slot(self) -> Slot:
        """Wait for the next rate-limit slot, and count the call."""
        policy = self._wait_policy
        slot = self._rates.take(self._bucket, self._rate, self._patience_seconds)
        refused = slot.refused_seconds or 0.0
        is_given_up = refused + slot.blocked_seconds > policy.maximum_refusal_seconds
        if slot.blocked_seconds > 0 and is_given_up:
            raise Unavailable(
                f"the source has refused every call for {refused:.0f} seconds and asks to be left "
                f"alone for {slot.blocked_seconds:.0f} more; gave up"
            )
        if not slot.is_granted:
            self._give_back(slot.wait_seconds)
        if slot.wait_seconds > 0:
            self._timing.sleep(slot.wait_seconds)
        if self._rate.calls_per_day is not None:
            day = self._timing.now().date()
            self._rates.spend_budget(self._bucket, day, self._rate.calls_per_day)
        self._patience_seconds = policy.further_patience_seconds
        return slot

    def _give_back(self, seconds: float) -> None:
        if self._wait_policy.may_postpone:
            raise PostponedError(f"{self._bucket} may be called in {seconds:.1f} seconds", seconds)
        raise Unavailable(
            f"{self._bucket} may be called in {seconds:.0f} seconds, and no longer than "
            f"{self._patience_seconds:.0f} can be waited for here; try again later"
        )

    def _wait_out(self, failure: _Failure, backoff: Backoff) -> None:
        """Wait before the next attempt, or raise why there is none."""
        asked = failure.retry_after_seconds
        if failure.is_refusal and asked:
            # No worker may call the source now; the wait is that for the next rate-limit slot.
            pause = backoff.next_pause(0.0)
            self._hold(asked if pause is not None else max(asked, self._refusal_pause))
            if pause is None and not self._wait_policy.may_postpone:
                raise self._gave_up(failure, backoff)
            return
        pause = backoff.next_pause(asked or 0.0)
        if pause is not None:
            logger.info("waiting for the source", extra={"problem": failure.problem})
            self._timing.sleep(pause)
        elif failure.is_refusal and self._wait_policy.may_postpone:
            self._hold(self._refusal_pause)
        else:
            raise self._gave_up(failure, backoff)

    @property
    def _refusal_pause(self) -> float:
        return self._wait_policy.refusal_pause_seconds

    def _hold(self, seconds: float) -> None:
        logger.info("the source refuses", extra={"bucket": self._bucket, "seconds": seconds})
        # A call that was begun is not worth sleeping through a refusal.
        self._patience_seconds = self._wait_policy.patience_seconds
        self._rates.hold(self._bucket, seconds, self._wait_policy.maximum_refusal_seconds)

    def _gave_up(self, failure: _Failure, backoff: Backoff) -> Unavailable:
        asked = failure.retry_after_seconds
        return Unavailable(
            f"gave up after {backoff.failures} attempts and {backoff.elapsed_seconds:.0f} seconds: "
            f"{failure.problem}" + (f", to be retried after {asked:.0f} seconds" if asked else "")
        )

    def _failure_of(self, response: HttpResponse, refuses: Refuses | None) -> _Failure | None:
        status = response.status
        is_said = refuses is not None and refuses(response)
        if not is_said and status != _TOO_MANY_REQUESTS and status < _SERVER_ERROR:
            return None
        asked = parse_retry_after(response.headers.get("retry-after"), self._timing.now())
        is_asked_to_wait = status == HTTPStatus.SERVICE_UNAVAILABLE and asked is not None
        return _Failure(
            f"the source answered {status}" + (", and that it is too busy" if is_said else ""),
            is_refusal=is_said or status == _TOO_MANY_REQUESTS or is_asked_to_wait,
            retry_after_seconds=asked,
        )


def _not_accepted(request: OutboundRequest, response: HttpResponse) -> SourceError:
    problem = f"{host_path(request.url)} answered {response.status}"
    if response.status in _FORBIDDEN:
        return SourceCredentialsError(f"{problem}; check the credentials of the source")
    return SourceError(f"{problem}; check its address and settings")
