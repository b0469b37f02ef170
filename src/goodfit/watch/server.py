"""The server of the live page: this machine only, a token, reading only.

Whoever can reach the port must know the token: it comes with the address that is printed, and becomes a
cookie. A page elsewhere cannot get at it by a name that it resolves to this machine, because the host that
is asked for must be this machine's own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

from goodfit.errors import InputError, MissingExtraError
from goodfit.watch.feed import Feed

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import (
        HTMLResponse,
        PlainTextResponse,
        RedirectResponse,
        Response,
        StreamingResponse,
    )
    from starlette.routing import Route
except ImportError as error:
    message = "goodfit watch needs Starlette and uvicorn: pip install 'goodfit[watch]'."
    raise MissingExtraError(message) from error

HOSTS = ("127.0.0.1", "localhost")
_EVERY = 1.0  # seconds between looks
_STILL_HERE = 15  # looks without news, after which a comment keeps the connection open
_COOKIE = "goodfit-watch"
_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]


class Server:
    """Serves the live page of one run on loopback until it is told to stop.

    Args:
        feed: what is to be seen.
        port: 0 for any free one.

    Raises:
        InputError: the port is not to be had.
    """

    def __init__(self, feed: Feed, port: int = 0) -> None:
        self._socket = _bound(port)
        self.port = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        self.address = f"http://{HOSTS[0]}:{self.port}/?token={self.token}"
        app = live_app(feed, self.token, lambda: self._server.should_exit)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11",
                loop="asyncio",
                lifespan="off",
                log_level="critical",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )

    def run(self) -> None:
        """Serve until the process is interrupted, or `stop` is called."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End `run`, soon."""
        self._server.should_exit = True


def _bound(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOSTS[0], port))
        found.listen(64)  # from here on who comes waits; the address may be told
    except (OSError, OverflowError) as error:
        found.close()
        why = getattr(error, "strerror", None) or "it must be 0 to 65535"
        raise InputError(f"--port {port} cannot be used: {why}. Leave it out for a free one.") from None
    return found


def live_app(feed: Feed, token: str, stopping: Callable[[], bool]) -> Starlette:
    """Return the application: the page at ``/``, its changes at ``/events``, for who has the token."""
    cookie = f"{_COOKIE}-{token[:6]}"  # several runs may be watched from one browser

    async def page(request: Request) -> Response:
        if "token" in request.query_params:  # so that the address without it is what is copied on
            answer = RedirectResponse("/", 303)
            answer.set_cookie(cookie, token, httponly=True, samesite="lax")
            return answer
        return HTMLResponse(await asyncio.to_thread(feed.page))

    async def events(request: Request) -> Response:
        return StreamingResponse(_changes(feed, stopping), media_type="text/event-stream")

    return Starlette(
        routes=[Route("/", page), Route("/events", events)],
        middleware=[Middleware(_Guard, token=token, cookie=cookie)],
    )


async def _changes(feed: Feed, stopping: Callable[[], bool]) -> AsyncIterator[str]:
    """Tell a page which parts there are, and those that differ from what it was told before."""
    sent: dict[str, str] = {}
    quiet = 0
    while not stopping():
        parts = await asyncio.to_thread(feed.parts)
        changed = {name: html for name, html in parts.items() if sent.get(name) != html}
        if changed or list(parts) != list(sent):
            yield f"data: {json.dumps({'order': list(parts), 'parts': changed})}\n\n"
            sent, quiet = parts, 0
        elif (quiet := quiet + 1) >= _STILL_HERE:
            yield ": still here\n\n"
            quiet = 0
        await asyncio.sleep(_EVERY)


class _Guard:
    """Refuses what is not asked of this machine, with the token, to read; adds headers to all answers."""

    def __init__(self, app: Any, token: str, cookie: str) -> None:
        self._app, self._token, self._cookie = app, token, cookie

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        if scope["type"] != "http":
            return
        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("host", "").rsplit(":", 1)[0] not in HOSTS:
            return PlainTextResponse("This page is for this machine alone.\n", 421)
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("This page can only be read.\n", 405)
        given = request.query_params.get("token") or request.cookies.get(self._cookie) or ""
        if not secrets.compare_digest(given.encode(), self._token.encode()):
            return PlainTextResponse("Open the address that goodfit watch printed: it holds a token.\n", 403)
        return None
