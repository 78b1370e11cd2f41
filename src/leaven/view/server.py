"""The page of a run on loopback: no one else on the machine can ask it, since every address holds a secret."""

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from leaven.errors import UserError
from leaven.view.source import Source

BROWSER = Path(__file__).parent / "browser"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing but the page's own files: no script within the page, no style, nothing from elsewhere."""
REPORT_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
"""The report is one file with all within; its own policy says the same."""
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
Answer = Callable[[Mapping[str, str]], Any]


def serve(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server that is ready to answer, and whose `url` is to be opened; port 0: any that is free.

    Raises UserError for a folder that is no run, and for a port that is taken.
    """
    source, secret = Source(folder), secrets.token_urlsafe(16)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, source, secret))
    except OSError as error:
        raise UserError(
            f"port {port} can't be had: {error.strerror}", "Leave --port out: a free one is chosen."
        ) from None
    server.daemon_threads = True
    return server


def url(server: ThreadingHTTPServer) -> str:
    """The address of the page."""
    handler: Any = server.RequestHandlerClass
    return f"http://127.0.0.1:{server.server_port}/{handler.args[1]}/"


class _Handler(BaseHTTPRequestHandler):
    """A request: a file of the page, a chart, the report, or a question in JSON."""

    protocol_version = "HTTP/1.1"

    def __init__(self, source: Source, secret: str, *rest: Any) -> None:
        self.source, self.secret = source, secret
        super().__init__(*rest)

    def do_GET(self) -> None:
        """Answer, if the address holds the secret and names this host: a page of another site has neither."""
        address = urlsplit(self.path)
        _, secret, *parts = unquote(address.path).split("/")
        host = self.headers.get("Host", "").rpartition(":")[0]
        if not secrets.compare_digest(secret.encode(), self.secret.encode()) or host not in ("127.0.0.1", "localhost"):
            self._send(404, b"Not found", "text/plain; charset=utf-8")
        elif parts[:1] == ["api"]:
            self._answer("/".join(parts[1:]), dict(parse_qsl(address.query)))
        else:
            self._file("/".join(parts) or "index.html")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is the user's."""

    def _answer(self, name: str, parameters: Mapping[str, str]) -> None:
        source = self.source
        answers: dict[str, Answer] = {
            "run": lambda _: source.run(),
            "live": lambda _: source.live(),
            "watch": source.watch,
            "answers": source.page,
            "difference": source.difference,
            "facets": lambda _: source.facets(),
            "rows": source.rows,
            "story": source.story,
            "decide": source.decide,
            "map": lambda _: source.map,
            "texts": source.texts,
        }
        if name not in answers:
            self._send(404, b"Not found", "text/plain; charset=utf-8")
            return
        try:
            status, value = 200, answers[name](parameters)
        except UserError as error:
            status, value = 400, {"problem": error.problem, "hint": error.hint}
        body = json.dumps(value, ensure_ascii=False, default=str, allow_nan=False).encode("utf-8", "replace")
        self._send(status, body, "application/json")

    def _file(self, name: str) -> None:
        """A file of the page, a chart of the run or its report: names are looked up, never joined to paths."""
        path = files(self.source.folder).get(name)
        if path is None:
            self._send(404, b"Not found", "text/plain; charset=utf-8")
            return
        policy = REPORT_POLICY if name == "report.html" else POLICY
        self._send(200, path.read_bytes(), KINDS[path.suffix], policy)

    def _send(self, status: int, body: bytes, kind: str, policy: str = POLICY) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        with suppress(BrokenPipeError, ConnectionResetError):  # the reader has gone on, and asks for something else
            self.end_headers()
            self.wfile.write(body)


def files(folder: Path) -> dict[str, Path]:
    """Every file of a page by its address: its own, the charts of the run and its report."""
    own = {path.name: path for path in BROWSER.iterdir() if path.suffix in KINDS}
    charts = {f"charts/{path.name}": path for path in folder.glob("charts/*.*") if path.suffix in (".svg", ".png")}
    report = folder / "report.html"
    return {**own, **charts, **({"report.html": report} if report.is_file() else {})}
