"""One client for chat, files and embeddings: several servers, outages, redirects."""

import io
import time

import numpy as np
import pytest
from tests.llm.test_openai import asked_of, questions, serving

from leaven.errors import UserError
from leaven.lift import embedding
from leaven.lift.embed import openai as embedder
from leaven.llm.address import addresses
from leaven.llm.client import Client, Request, ServerError
from leaven.llm.engines.openai import OpenAI
from leaven.llm.protocol import Sampling
from leaven.llm.throttle import Limits
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, user
from leaven.runs.progress import Progress

KEY = "sk-very-secret"
NOBODY = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize("asked", ["chat", "embeddings", "files"])
def test_a_redirect_to_another_host_does_not_carry_the_key(tmp_path, monkeypatch, asked):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(tmp_path) as other, serving(tmp_path, redirect=other.removesuffix("/v1")) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        if asked == "chat":
            assert dict(OpenAI.open("m").replies(questions(3), Sampling()))[0].text == "reply to question 0"
        elif asked == "embeddings":
            assert embedder.load("m")(["one", "two"]).shape == (2, 2)
        else:
            Client.open().request(Request("/embeddings", {"input": ["x"]}), lambda text: (text,))
        assert asked_of(url, "keys")[0] == f"Bearer {KEY}"
        assert set(asked_of(other, "keys")) == {None}


def test_embeddings_are_in_the_order_of_their_texts_and_what_breaks_is_asked_again(tmp_path, monkeypatch):
    texts = [chr(97 + n % 26) * (n % 40) for n in range(300)]
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(tmp_path, key=KEY, faults={"500": 0.2, "429": 0.1}, seed=1, retry_after="0.01") as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        embed = embedder.load("text-embedding-3-small")
        vectors = embed(texts)
        assert asked_of(url, "count")["came"] == 5  # of 64 texts each, and each paid for once
    tokens = sum(len(text) or 1 for text in texts)
    assert f"{tokens:,} tokens in, 0 out, ${tokens * 0.02 / 1e6:,.4f} by prices of" in embed.sentence()
    assert f"{url}: " in embed.sentence() and "broken" in embed.sentence()
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[len(text) or 1, ord((text or " ")[0])] for text in texts]


def test_embeddings_that_are_none_are_said(tmp_path):
    for text in ("", "[]", "{}", '{"data": [{"index": 0, "embedding": [1]}]}', '{"data": [1]}'):
        assert "the answer holds" in embedder.read_vectors(2, text)


def test_addresses_are_named_with_commas_as_a_list_or_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://a/v1,http://b/v1/")
    assert addresses() == ("http://a/v1", "http://b/v1")
    assert addresses(["http://c/v1", "http://d/v1, http://c/v1"]) == ("http://c/v1", "http://d/v1")
    (tmp_path / "servers").write_text("http://e/v1  # the old one\n\nhttp://f/v1\n")
    assert addresses(str(tmp_path / "servers")) == ("http://e/v1", "http://f/v1")
    with pytest.raises(UserError, match="no http address"):
        addresses("http://a/v1,b")


def test_two_servers_share_the_work_and_are_one_model(tmp_path):
    with serving(tmp_path, latency=0.02) as first, serving(tmp_path, latency=0.02) as second:
        llm = OpenAI.open("m", f"{first},{second}", Limits(concurrency=4))
        found = dict(llm.replies(questions(100), Sampling()))
        shares = [asked_of(url, "count")["came"] for url in (first, second)]
    assert all(found[n].text == f"reply to question {n}" for n in range(100))
    assert sum(shares) == 100 and min(shares) >= 30
    assert llm.name == f"openai:m@{first}"  # another one that joins it later finds what was paid for
    assert [line.partition(": ")[0] for line in llm.sentences()] == [first, second]


def test_a_server_that_is_gone_is_left_out_and_no_prompt_fails_for_it(tmp_path):
    with serving(tmp_path, latency=0.005) as url:
        llm = OpenAI.open("m", f"{NOBODY},{url}", Limits(concurrency=4, attempts=2, backoff_seconds=0.05))
        assert all(reply.text for _, reply in llm.replies(questions(200), Sampling()))
    gone, there = llm.sentences()
    assert "out of reach 1 time and still is" in gone and "200 requests over" in there
    assert llm.client.servers.each[0].requests < 30  # tried again, seldom


def test_an_outage_is_waited_for_and_uses_no_prompt_up(tmp_path):
    """For a second and a half a server refuses connections, as one that is started again."""
    with serving(tmp_path, latency=0.01) as url:
        llm = OpenAI.open("m", url, Limits(concurrency=8, attempts=3, backoff_seconds=0.05))
        replies = llm.replies(questions(300), Sampling())
        found = [next(replies) for _ in range(20)]
    port = int(url.split(":")[2].split("/")[0])
    time.sleep(1.5)
    with serving(tmp_path, latency=0.01, port=port):
        found += list(replies)
    assert sorted(index for index, _ in found) == list(range(300))
    assert all(reply.text for _, reply in found)


def test_no_server_of_several_is_left(tmp_path):
    with pytest.raises(ServerError, match=r"9/v1 and http://127\.0\.0\.1:19/v1 do not answer"):
        list(OpenAI.open("m", f"{NOBODY},http://127.0.0.1:19/v1").replies(questions(50), Sampling()))


def test_what_embeddings_took_is_said_and_nothing_where_all_are_there(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    rows = Dataset.of(Example(user(f"question {n}"), Origin("test")) for n in range(5))
    said = io.StringIO()
    with serving(tmp_path) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        for _ in range(2):
            embedding.vectors_of(rows, "openai:m", "all", Progress(said))
    assert said.getvalue().count("embedding by openai:m: Spent 1 calls, 50 tokens in, 0 out, cost unknown.") == 1


@pytest.mark.parametrize("url", ["http://[::1/v1", "http://a:99999/v1", "http://a:x/v1", "http://a..b/v1"])
def test_an_address_that_can_not_be_is_refused_before_anything_is_asked(url):
    with pytest.raises(UserError, match="no http address"):
        addresses(url)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "names no address"), (b"# none yet\n", "names no address"), (b"\xff\xfe", "no file of addresses")],
)
def test_a_file_that_names_no_address_is_refused_before_anything_is_asked(tmp_path, content, said):
    (tmp_path / "servers").write_bytes(content)
    with pytest.raises(UserError, match=said):
        addresses(str(tmp_path / "servers"))


@pytest.mark.parametrize("text", ["", ","])
def test_a_text_that_names_no_address_is_refused(text):
    with pytest.raises(UserError, match="names no address"):
        addresses(text)


def test_the_blanks_around_a_key_are_none_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    with serving(tmp_path, key=KEY) as url:
        (reply,) = dict(OpenAI.open("m", url).replies(questions(1), Sampling())).values()
    assert reply.text == "reply to question 0"
