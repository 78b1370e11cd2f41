"""The batch endpoint of the server for tests; a batch ends when it has been looked at `looks` times (0: none is there).

After `unheard` of its first batches it answers 500, though it began them. Batches of more than `enqueued` words in all
fail for want of room, as OpenAI's do; a file of more than `file_bytes` bytes is refused.
"""

import asyncio
import json

from aiohttp import web

FULL = "Enqueued token limit reached for m in organization o. Limit: {limit:,} enqueued tokens. Please try again later."


def add_routes(app, completion, refusal):
    if not app["plan"].looks:
        return
    app["completion"], app["refusal"] = completion, refusal
    app.router.add_post("/v1/files", upload)
    app.router.add_get("/v1/files/{id}/content", download)
    app.router.add_post("/v1/batches", start)
    app.router.add_get("/v1/batches", listed)
    app.router.add_get("/v1/batches/{id}", look)


async def upload(request):
    plan, form = request.app["plan"], await request.post()
    content = form["file"].file.read().decode()
    if plan.file_bytes and len(content) > plan.file_bytes:
        return web.json_response({"error": {"message": "file too large"}}, status=413)
    name = f"file-{len(plan.files)}"
    plan.files[name] = content
    return web.json_response({"id": name, "purpose": form["purpose"]})


async def download(request):
    return web.Response(text=request.app["plan"].files[request.match_info["id"]])


async def start(request):
    plan, body = request.app["plan"], await request.json()
    name, file = f"batch_{len(plan.batches)}", body["input_file_id"]
    batch = {"id": name, "status": "in_progress", "input_file_id": file, "looks": 0, "words": words(plan.files[file])}
    queued = sum(other["words"] for other in plan.batches.values() if other["status"] == "in_progress")
    if plan.enqueued and queued + batch["words"] > plan.enqueued:
        message = FULL.format(limit=plan.enqueued)
        batch |= {"status": "failed", "errors": {"data": [{"code": "token_limit_exceeded", "message": message}]}}
    plan.batches[name] = batch
    await asyncio.sleep(plan.latency)  # who is killed meanwhile does not know that it was begun
    if len(plan.batches) <= plan.unheard:
        return web.json_response({"error": {"message": "broken"}}, status=500)
    return web.json_response(batch)


async def listed(request):
    """Two on a page, the newest first."""
    batches = list(request.app["plan"].batches.values())[::-1]
    names = [batch["id"] for batch in batches]
    first = names.index(request.query["after"]) + 1 if "after" in request.query else 0
    return web.json_response({"data": batches[first : first + 2], "has_more": first + 2 < len(batches)})


async def look(request):
    plan = request.app["plan"]
    if (batch := plan.batches.get(request.match_info["id"])) is None:
        return web.json_response({"error": {"message": "No batch of this id."}}, status=404)
    batch["looks"] += 1
    if batch["looks"] >= plan.looks and batch["status"] == "in_progress":
        end(request.app, plan, batch)
    return web.json_response(batch)


def end(app, plan, batch):
    results, errors = [], []
    for line in map(json.loads, plan.files[batch["input_file_id"]].splitlines()[::-1]):
        asked, fault = line["body"]["messages"][-1]["content"], plan.fault()
        refused = "poison" if plan.poison and plan.poison in asked else app["refusal"](plan, line["body"])
        plan.came += 1
        if refused:
            body = {"error": {"message": refused}}
            errors.append({"custom_id": line["custom_id"], "response": {"status_code": 400, "body": body}})
        elif fault != "lost":
            plan.answered += 1
            plan.seen.append(asked)
            body = json.loads(app["completion"](line["body"], asked, fault))
            results.append({"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}})
    for name, lines in (("output", results), ("error", errors)):
        content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        plan.files[f"{batch['id']}-{name}"] = content
        batch[f"{name}_file_id"] = f"{batch['id']}-{name}"
    batch["status"] = "completed"


def words(content):
    """What a file's requests ask, in words."""
    return sum(len(json.loads(line)["body"]["messages"][-1]["content"].split()) for line in content.splitlines())
