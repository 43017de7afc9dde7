# %% [markdown]
# # 20 · Serving: from a stream of tokens to a server that may be left alone
#
# An engine writes ids. A person at a browser wants words, while they are written, beside forty others who
# want the same, and wants the machine back when the window is closed. What lies between is small enough to
# write here once: characters from bytes, events from characters, one thread that owns the engine, and a guard
# at the door. `groundup serve` is the same, with everything that a lesson leaves out.

# %%
import asyncio
import hashlib
import hmac
import http.client
import json
import posixpath
import queue
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

from groundup.infer.engine import Engine, EngineConfig, Finished, Token
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, qwen3
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.stream import StreamDecoder

torch.set_num_threads(1)
torch.manual_seed(20)
measured: dict[str, object] = {}  # what this run found, by the ids of reference/20.toml
tokenizer = BytePairTokenizer([])  # 256 bytes and no merges: every character of Chinese is three tokens
model = Transformer(
    qwen3(vocab_size=tokenizer.vocab_size, context_len=4096, n_layer=2, n_head=2, n_kv_head=1, n_embd=64)
).eval()
for parameter in model.parameters():
    parameter.data += 0.2 * torch.randn_like(parameter)  # else it would say one token for ever

# %% [markdown]
# ## From ids to characters
#
# A token is some bytes, and a character may need several. Decode each by itself and 你 arrives as three
# question marks. UTF-8 tells how many bytes belong together: a first byte 110xxxxx begins two, 1110xxxx
# three, 11110xxx four, and 10xxxxxx never begins anything. So look back at most three bytes for a first byte
# whose character is not whole, and hold back from there.


# %%
def held_back(data: bytes) -> int:
    """How many bytes at the end of (valid) UTF-8 wait for more."""
    for back in range(1, min(3, len(data)) + 1):
        first = data[-back]
        if first & 0b1100_0000 == 0b1000_0000:
            continue  # in the middle of a character: look further back
        needs = 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2 if first >= 0xC0 else 1
        return back if needs > back else 0
    return 0


def characters(tokens: list[bytes]) -> Iterator[str]:
    """The text that each token completes."""
    waiting = b""
    for token in tokens:
        waiting += token
        cut = len(waiting) - held_back(waiting)
        yield waiting[:cut].decode()
        waiting = waiting[cut:]


text = "Grüße, 你好 🙂!"
ids = tokenizer.encode(text)
alone = "".join(tokenizer.decode([id]) for id in ids)
stream = StreamDecoder(tokenizer)
pieces = list(characters([tokenizer.bytes_of(id) for id in ids]))
print(alone, "->", pieces)
measured["utf8.whole"] = pieces == [stream.push(id) for id in ids] and "".join(pieces) == text
assert measured["utf8.whole"] and alone.count("\ufffd") == 2 + 2 + 3 + 3 + 4

# %% [markdown]
# ## From characters to events
#
# Server-sent events are the plainest way to send a little at a time over one HTTP response: a line
# `data: ...`, then an empty line. That is why the text itself may not stand there: it has lines of its own,
# and an empty one in the middle of a reply ends the event. JSON writes a line break as `\n`, two harmless
# characters, and so every event is one line. OpenAI's API ends with `data: [DONE]`, which is not JSON.


# %%
def event(content: object) -> bytes:
    """One event."""
    return b"data: " + json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def events(received: bytes) -> Iterator[object]:
    """The contents of the events of a whole response, without [DONE]."""
    for block in received.split(b"\n\n"):
        data = b"\n".join(line[6:] for line in block.split(b"\n") if line.startswith(b"data: "))
        if data and data != b"[DONE]":
            yield json.loads(data)


poem = "one\n\ntwo\ndata: three\n\n"
naive = b"data: " + poem.encode() + b"\n\n"
assert [block for block in naive.split(b"\n\n") if block] == [b"data: one", b"two\ndata: three"]  # in pieces
sent = b"".join(event({"text": piece}) for piece in poem) + b"data: [DONE]\n\n"
measured["sse.round_trip"] = "".join(e["text"] for e in events(sent)) == poem
assert measured["sse.round_trip"] and sent.count(b"\n\n") == len(poem) + 1

# %% [markdown]
# ## One thread owns the engine
#
# `engine.step()` takes all texts one token further. Two threads that called it would not be twice as fast:
# they would read the weights twice for half the texts each, and meet in the middle of the cache. So one
# thread owns the engine, and nobody else touches it. Requests and cancellations wait in a queue that it
# empties between two steps; what a step wrote is handed to the loop that talks to the clients.
#
# How it is handed over is what costs. To wake the loop is a system call and a switch of threads. One wake-up
# a token would be as many as there are clients, in every step; one a step is enough for all of them.


# %%
class EngineThread:
    """An engine for the coroutines of one asyncio loop."""

    def __init__(self, engine: Engine):
        self.engine, self.wakeups = engine, 0
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()
        self.clients: dict[int, asyncio.Queue] = {}  # by the id of their sequence
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    async def stream(self, prompt: list[int], params: SamplingParams) -> AsyncIterator[list[int]]:
        """New ids as they come. Who stops listening has cancelled."""
        mine: asyncio.Queue = asyncio.Queue()
        held: list = []  # the sequence, once there is one
        self.inbox.put(("add", asyncio.get_running_loop(), mine, held, prompt, params))
        try:
            while (new := await mine.get()) is not None:
                yield new
        finally:
            self.inbox.put(("cancel", held))

    def close(self) -> None:
        self.inbox.put(("close",))
        self.thread.join()

    def _work(self) -> None:
        while True:
            while not self.inbox.empty() or not self.engine.busy:
                what, *rest = self.inbox.get()  # sleeps while there is nothing to do
                if what == "close":
                    return
                if what == "cancel":
                    for sequence in rest[0]:
                        self.engine.cancel(sequence)
                else:
                    self._add(*rest)
            news: dict[int, list[int]] = {}
            ended = []
            for one in self.engine.step():
                if isinstance(one, Token):
                    news.setdefault(id(one.sequence), []).append(one.id)
                elif isinstance(one, Finished):
                    ended.append(id(one.sequence))
            self.wakeups += 1
            self.loop.call_soon_threadsafe(self._hand_out, news, ended)  # all clients in one go

    def _add(self, loop, mine, held, prompt, params) -> None:
        self.loop = loop
        held.append(self.engine.add(prompt, params))
        self.clients[id(held[0])] = mine

    def _hand_out(self, news: dict[int, list[int]], ended: list[int]) -> None:
        """In the loop's own thread."""
        for key, ids in news.items():
            self.clients[key].put_nowait(ids)
        for key in ended:
            self.clients.pop(key).put_nowait(None)


def in_a_loop(coroutine):
    """asyncio.run, in a thread of its own: a notebook has a loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


async def ask(server: EngineThread, prompt: list[int], params: SamplingParams) -> list[int]:
    return [id async for new in server.stream(prompt, params) for id in new]


async def all_at_once(server: EngineThread, prompts: list[list[int]], params: SamplingParams):
    return await asyncio.gather(*(ask(server, prompt, params) for prompt in prompts))


greedy = SamplingParams(temperature=0, max_tokens=32)
prompts = [tokenizer.encode(f"client {n}") for n in range(16)]
expected = [made.ids for made in generate(model, prompts, greedy)]
server = EngineThread(Engine.of(model))
replies = in_a_loop(all_at_once(server, prompts, greedy))
server.close()
tokens = sum(map(len, replies))
print(f"{tokens} tokens for 16 clients in {server.engine.stats.steps} steps and {server.wakeups} wake-ups")
measured["ids.equal"] = replies == expected
measured["wakeups.fewer"] = server.wakeups <= server.engine.stats.steps + 16 < tokens
assert measured["ids.equal"] and measured["wakeups.fewer"]

# %% [markdown]
# ## Under load
#
# Who comes while others are being served does not wait for them to end: the next step takes them in. That is
# continuous batching, and its arithmetic is short. With s places, each text goes to the place that is free
# first; the steps are those of the longest queue. Four texts of 5, 3, 8 and 2 tokens on two places: 5 and 3
# begin, 8 follows the 3 and ends at 11, 2 follows the 5. Eleven steps instead of eighteen, and a batch that
# waits for its longest would need 5 + 8 = 13.


# %%
def steps_for(lengths: list[int], places: int) -> int:
    """Steps of an engine that takes in the next as soon as one ends."""
    busy_until = [0] * places
    for length in lengths:
        place = busy_until.index(min(busy_until))
        busy_until[place] += length
    return max(busy_until)


lengths = [5, 3, 8, 2]
engine = Engine.of(model, EngineConfig(max_running=2))
for n, length in enumerate(lengths):
    engine.add(prompts[n], SamplingParams(temperature=0, max_tokens=length))
while engine.busy:
    engine.step()
measured["steps.together"] = engine.stats.steps
assert engine.stats.steps == steps_for(lengths, 2) == 11 and sum(lengths) == 18

print(f"{'clients':>8} {'tokens/s':>9} {'first token, ms':>16}")
for clients in (1, 2, 4, 8, 16):
    server = EngineThread(Engine.of(model))
    firsts: list[float] = []

    async def timed_client(server, prompt, firsts=firsts):
        began, made = time.perf_counter(), 0
        async for new in server.stream(prompt, greedy):
            made or firsts.append(time.perf_counter() - began)
            made += len(new)
        return made

    async def load(server=server, clients=clients, one=timed_client):
        return sum(await asyncio.gather(*(one(server, prompt) for prompt in prompts[:clients])))

    began = time.perf_counter()
    tokens = in_a_loop(load())
    seconds = time.perf_counter() - began
    server.close()
    print(f"{clients:>8} {tokens / seconds:>9.0f} {1e3 * max(firsts):>16.1f}")
    assert tokens == 32 * clients and len(firsts) == clients
    assert clients == 1 or server.engine.stats.steps < tokens  # shared, or it would be one step a token

# %% [markdown]
# How much that is worth with real sizes, through a real server, is measured in `benchmarks/serving.py`.
#
# ## Who leaves
#
# A closed window must not go on costing. For a stream that is easy, if one looks: writing to a closed
# connection fails. For an answer in one piece nothing is written until the end, so somebody must listen for
# the hang-up. Either way it ends as a cancellation in the queue, and after the next step the blocks of the
# cache are free.


# %%
async def leaves_early(server: EngineThread) -> None:
    stream = server.stream(prompts[0], SamplingParams(temperature=0, max_tokens=4000))
    async for _ in stream:
        break
    await stream.aclose()  # what a server does when the client has gone
    while server.engine.busy:
        await asyncio.sleep(0.001)


server = EngineThread(Engine.of(model))
free = server.engine.blocks.free
in_a_loop(leaves_early(server))
server.close()
print(f"{server.engine.stats.tokens_written} of 4,000 tokens were written; {free} blocks are free again")
measured["disconnect.free"] = (
    server.engine.blocks.free == free and 0 < server.engine.stats.tokens_written < 4000
)
assert measured["disconnect.free"]

# %% [markdown]
# ## The guard
#
# "It only listens on my own machine" is no protection from a browser, which is on that machine too. A page
# from evil.example may have its name point at 127.0.0.1 a moment later (DNS rebinding); then the browser
# sends it here, and believes that the answer belongs to the page. What gives it away is the Host header: it
# still says evil.example. So: **Host must be one of ours, as a whole**. Beginning like one is not being one.
# A page that asks directly is known by Origin; of these too the whole is compared, and `null` is nobody.


# %%
def host_allowed(host: str, port: int) -> bool:
    """Is this Host header one of ours?"""
    return host.lower() in {f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"}


FOREIGN = (
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example:8000",
    "localhost:8000@evil.example",
    "localhost:8000.evil.example",
    "evil.example/localhost:8000",
    "localhost:8000, evil.example",
    "xlocalhost:8000",
    "localhost:80000",
    "0.0.0.0:8000",
    "2130706433:8000",  # 127.0.0.1 as one number
    "",
)
GUARDS = {
    "contains": lambda host: "localhost" in host or "127.0.0.1" in host,
    "begins": lambda host: host.startswith(("localhost", "127.0.0.1")),
    "is": lambda host: host_allowed(host, 8000),
}
let_in = {name: sum(map(guard, FOREIGN)) for name, guard in GUARDS.items()}
print(f"of {len(FOREIGN)} foreign hosts come in: {let_in}")
assert let_in == {"contains": 8, "begins": 6, "is": 0} and host_allowed("LOCALHOST:8000", 8000)
measured["guard.passed"] = let_in["is"]

# %% [markdown]
# The token is compared in constant time, as hashes, so that neither its length nor its first letters can be
# measured. And what decides whether a path is public must be the path that is served, character for
# character, **deny by default**: whoever checks a prefix, or another spelling than the one that is served,
# has two readers who may disagree.


# %%
def token_allowed(given: str, right: str) -> bool:
    """Is it the token?"""
    return hmac.compare_digest(*(hashlib.sha256(each.encode()).digest() for each in (given, right)))


assert token_allowed("secret", "secret") and not any(
    token_allowed(g, "secret") for g in ("", "secre", "secretx", "SECRET")
)
for crooked in ("/healthz/../v1/models", "/healthz/x/../../v1/models"):
    assert crooked.startswith("/healthz") and posixpath.normpath(crooked) == "/v1/models"  # two readers
    assert crooked != "/healthz"  # one

# %% [markdown]
# ## All of it
#
# A server in forty lines, for one kind of request, and a client that knows nothing of it but HTTP.


# %%
async def answer(server: EngineThread, reader, writer, port: int) -> None:
    """One connection, one request."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode("latin-1")
    first, *lines = head.split("\r\n")
    parts = [line.partition(":") for line in lines if line]
    headers = [(name.lower(), value.strip()) for name, _, value in parts]
    hosts = [value for name, value in headers if name == "host"]
    length = int(dict(headers).get("content-length", "0"))
    refused = ""
    if len(hosts) != 1 or not host_allowed(hosts[0], port) or any(name == "origin" for name, _ in headers):
        refused = "403 Forbidden"
    elif first != "POST /v1/completions HTTP/1.1":
        refused = "404 Not Found"
    elif length > 100_000:
        refused = "413 Content Too Large"
    if refused:
        writer.write(f"HTTP/1.1 {refused}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    else:
        asked = json.loads(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        decoder = StreamDecoder(tokenizer)
        params = SamplingParams(temperature=0, max_tokens=asked["max_tokens"])
        async for new in server.stream(tokenizer.encode(asked["prompt"]), params):
            writer.write(event({"text": "".join(map(decoder.push, new))}))
            await writer.drain()
        writer.write(event({"text": decoder.flush()}) + b"data: [DONE]\n\n")
    await writer.drain()
    writer.close()


def client(port: int, prompt: str, **headers: str) -> tuple[int, str]:
    """(status, text) of a request, with the standard library."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"prompt": prompt, "max_tokens": 32})
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    return response.status, "".join(e["text"] for e in events(response.read()))


async def serve_and_ask():
    server = EngineThread(Engine.of(model))
    listener = await asyncio.start_server(lambda r, w: answer(server, r, w, port), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        replies = await asyncio.gather(*(asyncio.to_thread(client, port, f"client {n}") for n in range(16)))
        evil = await asyncio.to_thread(client, port, "hi", Host="evil.example")
    server.close()
    return replies, evil


replies, evil = in_a_loop(serve_and_ask())
measured["http.equal"] = replies == [(200, tokenizer.decode(ids)) for ids in expected]
assert measured["http.equal"] and evil == (403, "")

# %% [markdown]
# With a model of yours the whole thing is one command, and two ways to ask:
#
# ```
# groundup serve runs/zero-to-chat
# curl -N localhost:8000/v1/chat/completions -H 'Content-Type: application/json' \
#      -d '{"model": "zero-to-chat", "stream": true, "messages": [{"role": "user", "content": "17 * 23?"}]}'
# ```
# ```
# from openai import OpenAI
# client = OpenAI(base_url="http://localhost:8000/v1", api_key="none")
# for chunk in client.chat.completions.create(model="zero-to-chat", stream=True,
#                                             messages=[{"role": "user", "content": "17 * 23?"}]):
#     print(chunk.choices[0].delta.content or "", end="", flush=True)
# ```
#
# What it does beyond this page, and what it refuses, is in `docs/serving.md`; some 260 requests that must not
# be answered are in `benchmarks/serving_attacks.py`.
#
# ## To write yourself
#
# `groundup lesson exercises 20 -o mine.py` gives three tasks, `groundup lesson check 20 mine.py` compares.

# %%
from groundup.evals.exercise import check

assert check("20.held_back", held_back)
assert check("20.host_allowed", host_allowed)
assert not check("20.host_allowed", lambda host, port: host.startswith("localhost"))
assert check("20.steps_for", steps_for)
assert not check("20.steps_for", lambda lengths, places: sum(lengths))

# %% [markdown]
# ## To try
#
# 1. Wake the loop once a token instead of once a step, and time sixteen clients. From how many on does it
#    show?
# 2. `answer` listens for a hang-up only by writing. Let a client of 4,000 tokens leave, and see how long the
#    engine goes on. What would you do if the answer came in one piece?
# 3. `curl -v -H 'Host: evil.example' localhost:8000/v1/models` against `groundup serve`, and against another
#    server that you use.
#
# Next: 21, many processes.
