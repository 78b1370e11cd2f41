"""A chat-completions server for tests, in a process of its own: latency, a limit, faults by plan, and a count.

    python server.py
    ["PORT_FILE", {"latency": 0.2, "at_once": 64, "faults": {"500": 0.1}, "seed": 0}]

Each line of the input begins one, in a process whose id is answered. They end with the input.
Files and batches are served too (batches.py).
GET /count says how many requests came and how many were answered; GET /seen lists the prompts that were answered, and
GET /faults how often each fault was thrown; calls after the first `held_after` wait for GET /release.
"""

import asyncio
import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import batches
from aiohttp import web


class Plan:
    def __init__(
        self,
        latency=0.0,
        at_once=10_000,
        refuse=False,
        faults=None,
        seed=0,
        key="",
        schema=True,
        poison="",
        looks=2,
        modern=False,
        teacher=False,
        longest=0,
        without=(),
        retry_after="",
        redirect="",
        port=0,
        unheard=0,
        enqueued=0,
        file_bytes=0,
        outage=None,
        held_after=10**9,
    ):
        self.latency, self.at_once, self.refuse, self.faults = latency, at_once, refuse, faults or {}
        self.random, self.key, self.schema, self.poison = random.Random(seed), key, schema, poison
        self.room = asyncio.Semaphore(at_once)
        self.modern, self.teacher, self.longest, self.without = modern, teacher, longest, without
        self.port = port
        self.wait, self.redirect, self.keys = {"Retry-After": retry_after} if retry_after else {}, redirect, []
        self.looks, self.files, self.batches = looks, {}, {}
        self.outage = {"after": 10**9, "calls": 0, "seconds": 0} | (outage or {})
        self.down_since, self.turned_away = None, 0
        self.held_after, self.released = held_after, asyncio.Event()
        self.thrown = Counter()
        self.unheard, self.enqueued, self.file_bytes = unheard, enqueued, file_bytes
        self.came, self.answered, self.under_way, self.most, self.seen = 0, 0, 0, 0, []

    def down(self):
        """Whether this call falls into the outage, which begins after some calls and lasts so many, or so long."""
        if self.came <= self.outage["after"]:
            return False
        self.down_since = self.down_since or time.monotonic()
        self.turned_away += 1
        lasts = time.monotonic() - self.down_since < self.outage["seconds"]
        return lasts or self.turned_away <= self.outage["calls"]

    def fault(self):
        draw = self.random.random()
        for name, share in self.faults.items():
            if (draw := draw - share) < 0:
                self.thrown[name] += 1
                return name
        return None


async def chat(request):
    plan = request.app["plan"]
    plan.keys.append(request.headers.get("Authorization"))
    if plan.redirect:
        raise web.HTTPTemporaryRedirect(plan.redirect + request.path)
    body = await request.json()
    plan.came = came = plan.came + 1
    if plan.down():
        return error(503, "out of order")
    if plan.key and request.headers.get("Authorization") != f"Bearer {plan.key}":
        return error(401, f"Incorrect API key provided: {request.headers.get('Authorization')}")
    if refused := refusal(plan, body):
        return error(400, refused)
    if plan.refuse and plan.under_way >= plan.at_once:
        return error(429, "too many at once", plan.wait)
    plan.under_way += 1
    plan.most = max(plan.most, plan.under_way)
    try:
        async with plan.room:
            await asyncio.sleep(plan.latency)
            if came > plan.held_after:
                await plan.released.wait()
            return await answer(request, plan, body)
    finally:
        plan.under_way -= 1


def refusal(plan, body):
    """Why the model does not take a request, alone or in a batch."""
    if plan.modern and "max_tokens" in body:
        return "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    if plan.longest and len(body["messages"][-1]["content"]) > plan.longest:
        return "This model's maximum context length is 8192 tokens."
    for name in plan.without:
        if name in body:
            return f"Unsupported value: '{name}' does not support 0.7 with this model."
    if "response_format" in body and not plan.schema:
        return "response_format is not supported"
    if "tools" in body and plan.schema is None:
        return "tools are not supported"
    return ""


async def answer(request, plan, body):
    asked = body["messages"][-1]["content"]
    fault = "500" if plan.poison and plan.poison in asked else plan.fault()
    if fault in ("429", "429 later"):
        return error(429, "slow down", {"Retry-After": "0.05"} if fault == "429 later" else {})
    if fault in ("500", "503"):
        return error(int(fault), "broken")
    if fault == "hang":
        await asyncio.sleep(3600)
    if fault == "reset":
        request.transport.abort()
        return web.Response()
    text = completion(body, asked, fault, taught(asked) if plan.teacher else None)
    if fault == "truncated":
        response = web.StreamResponse(headers={"Content-Length": str(len(text))})
        await response.prepare(request)
        await response.write(text[: len(text) // 2].encode())
        request.transport.close()
        return response
    if fault is None or fault == "length":
        plan.answered += 1
        plan.seen.append(asked)
    return web.Response(text=text[:20] if fault == "no json" else text, content_type="application/json")


def taught(asked):
    """What a teacher says: a harder task, marks that rise with the length of the response, or an answer."""
    quoted = [line.removeprefix("> ") for line in asked.splitlines() if line.startswith("> ")]
    if asked.startswith("You revise tasks"):
        tactic = next(line for line in asked.splitlines() if line.startswith("Do it in this way: "))
        return json.dumps({"instruction": f"{quoted[0]} [{tactic.split(': ')[1][:20]}]", "input": ""})
    if asked.startswith("You mark entries"):
        # Length is the plan of the test: the answers to rows with a higher number are longer.
        points = min(35, len(quoted[-1]) // 8)
        return json.dumps(
            {"reason": "by length", "clarity": 10, "difficulty": 10, "explanation": 10, "accuracy": points}
        )
    number = int(re.search(r"\d+", asked)[0])
    return f"The answer to {asked.splitlines()[0]}" + " and more" * number


def completion(body, asked, fault, said=None):
    if said is not None:
        pass
    elif "response_format" in body or "tools" in body or "JSON schema" in asked:
        said = json.dumps({"score": len(asked) % 10, "reason": "long enough"})
    else:
        said = f"reply to {asked}"
    message = {"role": "assistant", "content": said}
    if "tools" in body:
        call = {"id": "1", "type": "function", "function": {"name": "reply", "arguments": said}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choices = [{"index": 0, "message": message, "finish_reason": "length" if fault == "length" else "stop"}]
    usage = {"prompt_tokens": len(asked.split()), "completion_tokens": len(said.split())}
    return json.dumps({"id": "x", "choices": [] if fault == "no choices" else choices, "usage": usage})


def error(status, message, headers=None):
    body = {"error": {"message": message, "type": "fault"}}
    return web.json_response(body, status=status, headers=headers)


async def count(request):
    plan = request.app["plan"]
    return web.json_response(
        {"came": plan.came, "answered": plan.answered, "most": plan.most, "batches": len(plan.batches)}
    )


async def seen(request):
    return web.json_response(request.app["plan"].seen)


async def faults(request):
    return web.json_response(request.app["plan"].thrown)


async def release(request):
    request.app["plan"].released.set()
    return web.json_response({})


async def keys(request):
    return web.json_response(request.app["plan"].keys)


async def embeddings(request):
    """Vectors of two numbers: how long a text is, and its first character."""
    plan = request.app["plan"]
    plan.keys.append(request.headers.get("Authorization"))
    if plan.key and request.headers.get("Authorization") != f"Bearer {plan.key}":
        return error(401, f"Incorrect API key provided: {request.headers.get('Authorization')}")
    if plan.redirect:
        raise web.HTTPTemporaryRedirect(plan.redirect + request.path)
    if (fault := plan.fault()) is not None:
        return error(int(fault), "broken", plan.wait)
    texts = (await request.json())["input"]
    plan.came += 1
    rows = [{"index": n, "embedding": [len(text), ord(text[0])]} for n, text in enumerate(texts)]
    return web.json_response({"data": rows[::-1], "usage": {"prompt_tokens": sum(map(len, texts))}})


async def serve(place, plan):
    app = web.Application(client_max_size=2**26)
    app["plan"] = Plan(**plan)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/v1/embeddings", embeddings)
    batches.add_routes(app, completion, refusal)
    app.router.add_get("/count", count)
    app.router.add_get("/seen", seen)
    app.router.add_get("/faults", faults)
    app.router.add_get("/keys", keys)
    app.router.add_get("/release", release)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", app["plan"].port)
    await site.start()
    place.with_suffix(".partial").write_text(str(site._server.sockets[0].getsockname()[1]))
    place.with_suffix(".partial").replace(place)
    parent = os.getppid()
    while os.getppid() == parent:  # ends with whoever started it
        await asyncio.sleep(0.5)


def main():
    """A server in a fork of this process for each line: what takes long, the imports, is done once."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in iter(sys.stdin.readline, ""):
        place, plan = json.loads(line)
        if child := os.fork():
            sys.stdout.write(f"{child}\n")
            sys.stdout.flush()
        else:
            asyncio.run(serve(Path(place), plan))
            os._exit(0)


if __name__ == "__main__":
    main()
