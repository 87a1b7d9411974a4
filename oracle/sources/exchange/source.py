"""Read tickers of exchanges through `ccxt`, without its floats and with our limits.

ccxt knows the exchanges' interfaces. It makes numbers with what its attribute `number` is, here `str`, and its JSON is
parsed here so that no number becomes a float on the way. Its requests go through a session of ours, which follows no
redirect and reads no endless answer.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import time
from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from types import ModuleType
from typing import Any, NoReturn

import aiohttp

from oracle.core.errors import ConfigError, DataError, SourceUnavailable, ToolMissing
from oracle.core.types import Kind
from oracle.sources.exchange.config import ExchangeSourceConfig
from oracle.sources.interface import Reading, closed, parse_decimal
from oracle.sources.validation import Checks

__all__ = ["MAX_BODY", "ExchangeSource"]

MAX_BODY = 32 << 20
"""The most bytes of an answer that are read: an exchange's list of its markets can be large."""

_EXACT = Context(prec=120)


class ExchangeSource:
    """A source that reads the price of one market of one exchange.

    Args:
        config: The exchange and the market.
        measure: The feed's kind.
        name: The source's name, for messages.
        options: Options of ccxt's exchange, which override its own.
        now: The clock, unix seconds.

    Raises:
        ToolMissing: ccxt is not installed.
        ConfigError: ccxt does not know the exchange.
    """

    def __init__(
        self,
        config: ExchangeSourceConfig,
        *,
        measure: Kind,
        name: str,
        options: Mapping[str, Any] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._checks = Checks.of(config, measure)
        self._name = name
        self._where = f"{name} ({config.exchange} {config.symbol})"
        self._ccxt = _ccxt(name)
        self._kind = _exchange(self._ccxt, config.exchange, name)
        self._options = options or {}
        self._now = now
        self._exchange: Any = None
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._name

    async def read(self) -> Reading:
        """See `Source.read`. The first reading also asks for the exchange's markets."""
        if self._closed:
            raise closed(self._name)
        requested_at = int(self._now())
        ticker = await self._ticker()
        value = self._checks.value(self._value(ticker), f"{self._where}: {self._config.what}")
        timestamp = ticker.get("timestamp")
        if timestamp is None:
            if self._config.max_age is not None:
                raise DataError(f"{self._where}: the exchange gives no time with its ticker; leave 'max_age' out")
            return Reading(value, requested_at, self._name)
        where = f"{self._where}: timestamp"
        milliseconds = parse_decimal(str(timestamp), where)
        observed_at = self._checks.moment(int(milliseconds) // 1_000, int(self._now()), where)
        return Reading(value, observed_at, self._name)

    async def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        exchange, self._exchange = self._exchange, None
        session, self._session = self._session, None
        if exchange is not None:
            await exchange.close()
        if session is not None:
            await session.close()

    async def _ticker(self) -> Mapping[str, Any]:
        ccxt = self._ccxt
        try:
            if self._exchange is None:
                self._open()
            ticker = await self._exchange.fetch_ticker(self._config.symbol)
        except asyncio.CancelledError:
            raise
        except (ccxt.BadSymbol, ccxt.NotSupported) as error:
            reason = "has no such market" if isinstance(error, ccxt.BadSymbol) else "has no ticker in ccxt"
            raise DataError(f"{self._where}: {self._config.exchange} {reason}") from None
        except ccxt.BaseError as error:
            # The error's text has the whole URL and the whole answer: neither belongs in a log.
            reason = str(error.__cause__) if isinstance(error.__cause__, _AnswerRefused) else _words(error)
            raise SourceUnavailable(f"{self._where}: {reason}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise SourceUnavailable(f"{self._where}: can't be reached: {type(error).__name__}") from None
        except Exception as error:
            # ccxt reads what the exchange sends without checking it: whatever it raises then is about the answer.
            raise SourceUnavailable(f"{self._where}: answered what ccxt can't read ({type(error).__name__})") from None
        if not isinstance(ticker, Mapping):
            raise SourceUnavailable(f"{self._where}: answered no ticker")
        return ticker

    def _open(self) -> None:
        """Open the session, which belongs to the event loop that reads."""
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        self._session = aiohttp.ClientSession(response_class=_LimitedResponse, trace_configs=[trace])
        given = {
            "session": self._session,
            "number": str,
            "timeout": int(self._config.timeout * 1_000),
            "enableRateLimit": True,
        }
        self._exchange = self._kind({**given, **self._options})
        self._exchange.number = str

    def _value(self, ticker: Mapping[str, Any]) -> Decimal:
        if self._config.what != "mid":
            return self._number(ticker, self._config.what)
        bid, ask = self._number(ticker, "bid"), self._number(ticker, "ask")
        if bid > ask:
            raise DataError(f"{self._where}: the bid {bid} is above the ask {ask}")
        return _EXACT.divide(_EXACT.add(bid, ask), Decimal(2))

    def _number(self, ticker: Mapping[str, Any], key: str) -> Decimal:
        found = ticker.get(key)
        where = f"{self._where}: {key}"
        if found is None:
            raise DataError(f"{where}: the exchange gives none")
        if not isinstance(found, str):
            raise DataError(f"{where}: ccxt made a {type(found).__name__} of it, where digits are expected")
        return parse_decimal(found, where)


class _AnswerRefused(aiohttp.ClientError):
    """An answer of an exchange that is not accepted."""


class _LimitedResponse(aiohttp.ClientResponse):
    """An answer that is read up to a limit."""

    async def read(self) -> bytes:
        """Return the body. Raises `_AnswerRefused` if it is too large."""
        if self._body is None:
            body = bytearray()
            async for chunk in self.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    self.close()
                    raise _AnswerRefused(f"the answer is larger than {MAX_BODY} bytes")
            self._body = bytes(body)
        return self._body


async def _refuse_redirect(session: aiohttp.ClientSession, context: object, about: object) -> NoReturn:
    raise _AnswerRefused("answered with a redirect, which is not followed")


def _ccxt(name: str) -> ModuleType:
    try:
        # An optional extra.
        import ccxt.async_support as ccxt
    except ImportError:
        raise ToolMissing(
            f"the source {name} reads an exchange through `ccxt`, which is not installed: "
            'pip install "verifiable-oracle[exchanges]"'
        ) from None
    return ccxt  # type: ignore[no-any-return,unused-ignore]


def _exchange(ccxt: ModuleType, exchange: str, name: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return ccxt's class of an exchange, with our JSON parser."""
    if exchange not in ccxt.exchanges:
        near = difflib.get_close_matches(exchange, ccxt.exchanges, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"ccxt knows {len(ccxt.exchanges)}"
        raise ConfigError(f"the source {name}: there is no exchange {exchange!r}; {hint}")
    return type(exchange, (getattr(ccxt, exchange),), {"on_json_response": _parse})


def _parse(exchange: object, text: str) -> Any:
    # ccxt's own parser makes floats if a faster JSON library is installed.
    return json.loads(text, parse_float=str, parse_int=str)


def _words(error: Exception) -> str:
    return {
        "RateLimitExceeded": "limits the rate of requests; set 'max_per_minute' or a longer 'poll_interval'",
        "RequestTimeout": "no complete answer in time",
        "ExchangeNotAvailable": "is not available",
        "OnMaintenance": "is closed for maintenance",
        "AuthenticationError": "needs an account, which is not configured",
    }.get(type(error).__name__, f"answered with an error ({type(error).__name__})")
