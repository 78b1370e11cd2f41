"""A server's batch endpoint: requests go up as a file, a batch of them is begun, and its replies come down as a file.

To begin a batch is what costs money, and a server that answers 500, or not at all, may have begun it all the same. So
the file stands for its batch: before one is begun again, the server's list is searched for the batch of that file.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from leaven.errors import LeavenError
from leaven.llm.client import Answer, Client, Request, ServerError
from leaven.llm.servers import Servers

logger = logging.getLogger(__name__)

TRIES, WAIT = 6, 2.0
"""How often a batch is begun whose answer was lost, and the seconds before the second time; it grows with each."""
ENDED = ("completed", "failed", "expired", "cancelled")
_FULL = re.compile(r"token_limit|enqueued|rate.?limit|too many", re.IGNORECASE)
"""What servers say when a batch has to wait until others have ended."""
_ONE = re.compile(r"/(batches|files)/\w")
"""Where one batch is, or one file."""
_NOT_YET = re.compile(r"find file|file.{,80}not (be )?found", re.IGNORECASE)
"""What they say of a file that was uploaded a moment ago, and is not known everywhere yet."""


class Full(LeavenError):
    """The server takes no batch more, or none as large as this, until others have ended."""


class TooLarge(Full):
    """The server takes no file as large as this, whatever has ended."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The files and batches of one server."""

    client: Client

    @classmethod
    def of(cls, client: Client) -> "Endpoint":
        """Of the first of several servers: a batch is known to no other."""
        return cls(Client(Servers(client.servers.each[:1]), client.key))

    def upload(self, lines: bytes) -> str:
        """The id of a file of requests, which costs nothing yet. Raises TooLarge."""
        request = Request("/files", form={"purpose": "batch", "file": lines})
        answer = self._send(request)
        if answer.status == 413:
            raise TooLarge(answer.fault)
        return str(self._value(answer)["id"])

    def begin(self, file: str) -> str:
        """The id of the one batch of a file. Raises Full where it has to wait for others."""
        request = Request("/batches", {"input_file_id": file, "endpoint": "/v1/chat/completions",
                                       "completion_window": "24h"})  # fmt: skip
        for number in range(1, TRIES + 1):
            answer = self._send(request, attempts=1)
            if answer.value is not None:
                return str(answer.value[0]["id"])
            if answer.status == 429 or (answer.refused and _FULL.search(answer.said)):
                raise Full(answer.fault)
            if answer.refused and not _NOT_YET.search(answer.said):
                break
            time.sleep(WAIT * number)
            if batch := self.find(file):
                logger.warning("the batch %s was begun, though the server's answer was: %s", batch, answer.fault)
                return batch
        raise unusable(answer.fault)

    def find(self, file: str) -> str | None:
        """The batch of a file, where one was begun."""
        after = ""
        while True:
            page = self.value(Request(f"/batches?limit=100{after}", method="GET"))
            for batch in page["data"]:
                if batch.get("input_file_id") == file:
                    return str(batch["id"])
            if not (page.get("has_more") and page["data"]):
                return None
            after = f"&after={page['data'][-1]['id']}"

    def state(self, batch: str) -> dict[str, Any]:
        """How far a batch is. Raises Full for one that was taken at first, and then failed for want of room."""
        state: dict[str, Any] = self.value(Request(f"/batches/{batch}", method="GET"))
        errors = (state.get("errors") or {}).get("data") or []
        if state["status"] == "failed" and _FULL.search(json.dumps(errors)):
            raise Full(why(state))
        return state

    def lines(self, file: str | None) -> Iterator[dict[str, Any]]:
        """The replies in a file; a line feed ends a line, and nothing else that Unicode calls an end of one."""
        text = str(self.value(Request(f"/files/{file}/content", method="GET"), str)) if file else ""
        for line in text.split("\n"):
            try:
                reply = json.loads(line)
            except ValueError:
                continue  # a line that was cut: its prompt is missed, and said so
            if isinstance(reply, dict):
                yield reply

    def value(self, request: Request, read: Callable[[str], Any] = json.loads) -> Any:
        """What the server answers; what may pass is tried again. Raises ServerError where nothing comes of it."""
        return self._value(self._send(request, read))

    def _send(
        self, request: Request, read: Callable[[str], Any] = json.loads, attempts: int | None = None
    ) -> Answer[tuple[Any]]:
        try:
            return self.client.request(request, partial(_read, read), attempts)
        except ServerError as error:
            raise (_gone if _ONE.match(request.path) else unusable)(error.problem) from error

    def _value(self, answer: Answer[tuple[Any]]) -> Any:
        if answer.value is None:
            raise unusable(answer.fault)
        return answer.value[0]


def unusable(fault: str) -> ServerError:
    """What to say of a server that serves no batches, or not now."""
    return ServerError(
        f"the server does not serve batches: {fault}",
        "Ask without --batch, or start the same command again later: what was sent is not sent twice.",
    )


def _gone(fault: str) -> ServerError:
    """What to say of a batch, or of its replies, that the server does not hand out."""
    return ServerError(
        f"the server does not hand out what was asked of it earlier by a batch: {fault}",
        "Is it the same server, with the same key? Without --batch it is asked anew, and paid for again.",
    )


def why(state: dict[str, Any]) -> str:
    """What a batch says of its failure."""
    errors = (state.get("errors") or {}).get("data") or []
    return "; ".join(str(error.get("message")) for error in errors[:3]) or "no reason given"


def _read(read: Callable[[str], Any], text: str) -> tuple[Any] | str:
    try:
        return (read(text),)
    except ValueError:
        return "the answer is no JSON"
