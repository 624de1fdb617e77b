"""A hub on loopback: the routes by which huggingface_hub fetches a file of a data set, with files of our own.

    HEAD, GET  /datasets/{owner}/{name}/resolve/{commit}/{file}

The hub's headers say the commit and the file's SHA-256, by which the client names what it caches.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

ROWS = (400, 111, 101, 101, 167, 175)
FILES = ("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl", "test6.jsonl")


class Hub:
    """What the server serves and what it was asked.

    Attributes:
        files: name -> content.
        damaged: names of files that are sent with one byte changed.
        status: when not 200, the answer to everything.
        requests: "METHOD path" of each, in order.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.damaged: set[str] = set()
        self.status = 200
        self.requests: list[str] = []


@contextmanager
def serve(hub: Hub) -> Iterator[str]:
    """Serve a hub on loopback; yields its address, the value for HF_ENDPOINT."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(body=True)

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def answer(self, body: bool) -> None:
            hub.requests.append(f"{self.command} {self.path}")
            commit, name = self.path.split("/")[-2:]
            content = hub.files.get(name)
            status = hub.status if hub.status != 200 or content is not None else 404
            if status != 200 or content is None:
                self.send_response(status)
                code = {401: "GatedRepo", 404: "EntryNotFound"}.get(status, "")
                self.send_header("X-Error-Code", code)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            digest = hashlib.sha256(content).hexdigest()
            self.send_response(200)
            self.send_header("X-Repo-Commit", commit)
            self.send_header("X-Linked-Etag", f'"{digest}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("ETag", f'"{digest}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content.replace(b"0", b"1", 1) if name in hub.damaged else content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def row(question_id: str, **others: str) -> dict[str, Any]:
    """A row of LiveCodeBench's format, of our own making."""
    return {
        "question_title": "Doubles",
        "question_content": f"Read n and print 2n + {question_id.partition('-')[2] or 0}.",
        "platform": "atcoder",
        "question_id": question_id,
        "contest_id": "own",
        "contest_date": "2024-01-06T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps([{"input": "0", "output": "0", "testtype": "stdin"}]),
        "private_test_cases": json.dumps([{"input": "10", "output": "20", "testtype": "stdin"}]),
        "metadata": "{}",
        **others,
    }


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    """Rows as a file."""
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def shards() -> dict[str, bytes]:
    """The six files with LiveCodeBench's numbers of rows; shard i is of January 202i."""
    return {
        name: jsonl(
            [row(f"s{i}-{n}", contest_date=f"202{i}-01-{n % 28 + 1:02}T00:00:00") for n in range(count)]
        )
        for i, (name, count) in enumerate(zip(FILES, ROWS, strict=True), start=1)
    }
