"""Read tickers of exchanges through `ccxt`, without its floats and with our limits.

ccxt knows the exchanges' interfaces. It makes numbers with what its attribute `number` is, here `str`, and its JSON is
parsed here so that no number becomes a float on the way. Its requests go through a session of ours, which follows no
redirect and reads no endless answer.
"""

from __future__ import annotations

import asyncio
import difflib
import ssl
import time
from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from types import ModuleType
from typing import Any, NoReturn

import aiohttp
import structlog

from oracle.core import http
from oracle.core.documents import NotJson, NotText, NumberType, decode_text, parse_json
from oracle.core.errors import ConfigError, DataError, SourceUnavailable, ToolMissing
from oracle.core.types import Kind
from oracle.sources.exchange.config import ExchangeSourceConfig
from oracle.sources.interface import Reading, closed, parse_decimal
from oracle.sources.trace import Match, Trace
from oracle.sources.units import seconds_in
from oracle.sources.validation import Checks

__all__ = ["MAX_BODY", "ExchangeSource"]

log = structlog.get_logger(__name__)

MAX_BODY = 32 << 20
"""The most bytes of an answer that are read: an exchange's list of its markets can be large."""

MARKETS_S = 600.0
"""Seconds after which the exchange's markets are asked for again: they begin, halt, and change their names."""

MARKETS_AGAIN_S = 60.0
"""Seconds that lie at least between two tries to get them."""

_EXACT = Context(prec=120)
_PPM = 1_000_000
_NEAR = 4
_SHOWN = ("symbol", "timestamp", "last", "bid", "ask", "vwap")


class ExchangeSource:
    """A source that reads the price of one market of one exchange.

    Args:
        config: The exchange and the market.
        measure: The feed's kind.
        name: The source's name, for messages.
        options: Options of ccxt's exchange, which override its own.
        now: The clock, unix seconds.
        monotonic: The clock by which markets grow old, seconds.

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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._checks = Checks.of(config, measure)
        self._name = name
        self._where = f"{name} ({config.exchange} {config.symbol})"
        self._ccxt = _ccxt(name)
        self._kind = _exchange(self._ccxt, config.exchange, name)
        self._options = options or {}
        self._now = now
        self._monotonic = monotonic
        self._markets_due = 0.0
        self._renewal: asyncio.Task[None] | None = None
        self._exchange: Any = None
        self._session: aiohttp.ClientSession | None = None
        self._authorities: ssl.SSLContext | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._name

    async def read(self) -> Reading:
        """See `Source.read`. The first reading also asks for the exchange's markets."""
        return await self.read_traced(Trace())

    async def read_traced(self, trace: Trace) -> Reading:
        """See `Traceable.read_traced`."""
        if self._closed:
            raise closed(self._name)
        requested_at = int(self._now())
        ticker = await self._ticker(trace)
        trace.document = {key: ticker.get(key) for key in _SHOWN if ticker.get(key) is not None}
        value = self._checks.value(self._value(ticker, trace), f"{self._where}: {self._config.what}")
        timestamp = ticker.get("timestamp")
        if timestamp is None:
            if self._config.max_age is not None:
                raise DataError(f"{self._where}: the exchange gives no time with its ticker; leave 'max_age' out")
            return Reading(value, requested_at, self._name)
        where, now = f"{self._where}: timestamp", int(self._now())
        trace.matches.append(Match("timestamp", str(timestamp)))
        observed_at = seconds_in(parse_decimal(str(timestamp), where), "ms", now, where)
        return Reading(value, self._checks.moment(observed_at, now, where), self._name)

    async def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
        exchange, self._exchange = self._exchange, None
        session, self._session = self._session, None
        if exchange is not None:
            await exchange.close()
        if session is not None:
            await session.close()

    async def _ticker(self, trace: Trace) -> Mapping[str, Any]:
        ccxt = self._ccxt
        try:
            await self._open()
            ticker = await self._fetched()
        except asyncio.CancelledError:
            raise
        except ccxt.BadSymbol:
            near = self._near()
            trace.suggestions += [f'symbol = "{each}"' for each in near]
            hint = f"; near ones: {', '.join(near)}" if near else ""
            raise DataError(f"{self._where}: {self._config.exchange} has no such market{hint}") from None
        except ccxt.NotSupported:
            raise DataError(f"{self._where}: {self._config.exchange} has no ticker in ccxt") from None
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
        market = self._market()
        if market is not None and market.get("active") is False:
            raise SourceUnavailable(f"{self._where}: {self._config.exchange} does not trade this market now")
        return ticker

    async def _fetched(self) -> Any:
        """Ask for the ticker; if the exchange refuses, with the present markets."""
        exchange, symbol = self._exchange, self._config.symbol
        if exchange.markets is None:
            self._markets_due = self._monotonic() + MARKETS_S
        else:
            self._renew_markets()
        try:
            return await exchange.fetch_ticker(symbol)
        except self._ccxt.NotSupported:
            raise
        except self._ccxt.ExchangeError:  # BadSymbol among others: the market may have another id by now
            if exchange.markets is None or self._monotonic() < self._markets_due - MARKETS_S + MARKETS_AGAIN_S:
                raise
            self._markets_due = self._monotonic() + MARKETS_S
            await exchange.load_markets(True)
            return await exchange.fetch_ticker(symbol)

    def _renew_markets(self) -> None:
        """Begin to ask for the markets again, if they are old. Meanwhile, those that are known are used."""
        if self._monotonic() < self._markets_due or (self._renewal is not None and not self._renewal.done()):
            return
        self._markets_due = self._monotonic() + MARKETS_S
        self._renewal = asyncio.create_task(self._renewed(self._exchange))

    async def _renewed(self, exchange: Any) -> None:
        try:
            await exchange.load_markets(True)
        except Exception as error:  # as of a ticker, it may be any
            self._markets_due = self._monotonic() + MARKETS_AGAIN_S
            log.info("an exchange's markets can't be read now", source=self._where, kind=type(error).__name__)

    def _market(self) -> Mapping[str, Any] | None:
        market = (self._exchange.markets or {}).get(self._config.symbol)
        return market if isinstance(market, Mapping) else None

    def _near(self) -> list[str]:
        """Return the names of the markets that may be meant: those of the same asset first."""
        symbols, wanted = list(self._exchange.markets or ()), self._config.symbol.upper()
        same = [each for each in symbols if each.split("/")[0] == wanted.split("/")[0]]
        first = difflib.get_close_matches(wanted, same, n=_NEAR, cutoff=0.0)
        return list(dict.fromkeys([*first, *difflib.get_close_matches(wanted, symbols, n=_NEAR)]))[:_NEAR]

    async def _open(self) -> None:
        """Open the session, which belongs to the event loop that reads, or another one if other authorities count."""
        authorities = http.SYSTEM_TRUST.context
        if self._session is not None:
            if authorities is self._authorities:
                return
            await self._session.close()
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        self._session = aiohttp.ClientSession(
            connector=http.open_connector(authorities=authorities),
            response_class=_LimitedResponse,
            trace_configs=[trace],
            auto_decompress=False,
        )
        self._authorities = authorities
        if self._exchange is not None:
            self._exchange.session = self._session
            return
        given = {
            "session": self._session,
            "number": str,
            "timeout": int(self._config.timeout * 1_000),
            "enableRateLimit": True,
        }
        self._exchange = self._kind({**given, **self._options})
        self._exchange.number = str

    def _value(self, ticker: Mapping[str, Any], trace: Trace) -> Decimal:
        if self._config.what != "mid":
            return self._number(ticker, self._config.what, trace)
        bid, ask = self._number(ticker, "bid", trace), self._number(ticker, "ask", trace)
        if bid > ask:
            raise DataError(f"{self._where}: the book is crossed: the bid {bid} is above the ask {ask}")
        middle = _EXACT.divide(_EXACT.add(bid, ask), Decimal(2))
        most = self._config.max_bid_ask_ppm
        if _EXACT.multiply(_EXACT.subtract(ask, bid), Decimal(_PPM)) > _EXACT.multiply(abs(middle), Decimal(most)):
            raise DataError(
                f"{self._where}: the bid {bid} and the ask {ask} are more than {most:,} ppm apart (max_bid_ask_ppm): "
                "their middle is no price"
            )
        return middle

    def _number(self, ticker: Mapping[str, Any], key: str, trace: Trace) -> Decimal:
        found = ticker.get(key)
        where = f"{self._where}: {key}"
        if found is None:
            trace.suggestions += [f'what = "{each}"' for each in ("last", "vwap") if ticker.get(each) is not None]
            raise DataError(f"{where}: the exchange gives none")
        trace.matches.append(Match(key, str(found)))
        if not isinstance(found, str):
            raise DataError(f"{where}: ccxt made a {type(found).__name__} of it, where digits are expected")
        return parse_decimal(found, where)


class _AnswerRefused(aiohttp.ClientError):
    """An answer of an exchange that is not accepted."""


class _LimitedResponse(aiohttp.ClientResponse):
    """An answer that is read up to a limit."""

    async def read(self) -> bytes:
        """Return the body. Raises `_AnswerRefused` if it is too large, unpacked too."""
        if self._body is None:
            try:
                self._body = await http.read_body(self, MAX_BODY)
            except http.BodyTooLarge:
                raise _AnswerRefused(f"the answer is larger than {MAX_BODY} bytes") from None
            except http.BodyUnreadable as error:
                raise _AnswerRefused(http.reason(error)) from None
        return self._body

    async def text(self, encoding: str | None = None, errors: str = "strict") -> str:
        """Return the body as text. Raises `_AnswerRefused` if it is none: no byte is replaced."""
        try:
            return decode_text(await self.read(), http.charset_of(self.headers.get("Content-Type", "")))
        except NotText as error:
            raise _AnswerRefused(f"the answer can't be read: {error}") from None


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
    # ccxt's own parser makes floats if a faster JSON library is installed, and takes what is no JSON for a text.
    try:
        return parse_json(text, numbers=NumberType.TEXT)
    except NotJson as error:
        raise _AnswerRefused(f"the answer can't be read: {error}") from None


def _words(error: Exception) -> str:
    return {
        "RateLimitExceeded": "limits the rate of requests; set 'max_per_minute' or a longer 'poll_interval'",
        "RequestTimeout": "no complete answer in time",
        "ExchangeNotAvailable": "is not available",
        "OnMaintenance": "is closed for maintenance",
        "AuthenticationError": "needs an account, which is not configured",
    }.get(type(error).__name__, f"answered with an error ({type(error).__name__})")
