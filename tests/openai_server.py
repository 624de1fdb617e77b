"""A small OpenAI-compatible server around a transformers model, with faults on demand.

In a test, `serve(generator)` gives a `Server`. By hand:

    python tests/openai_server.py --model minicode-base --port 8000

It answers one request at a time, and draws as the in-process generator does; a request's seed is the seed.
"""

import argparse
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rlif.errors import UserError
from rlif.evaluation.models import context_length, load_model
from rlif.evaluation.sampling import Sampling
from rlif.evaluation.transformers_generator import TransformersGenerator


@dataclass
class Fault:
    """What is answered instead of a completion; status 0 closes the connection without a word."""

    status: int = 0
    message: str = "a fault on demand"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """What a test sees of the server.

    Attributes:
        generator: draws the completions. model: its name.
        faults: met by the next requests, one each.
        requests: bodies of all requests that came, faults included; times: when they did.
        dies_after: completions it gives before it answers nothing any more.
        delay_s: waited before each completion. key: that it wants, if any.
        reasoning: if given, returned as the thoughts of every chat answer.
        most_at_once: largest number of requests that were in the house together.
    """

    generator: TransformersGenerator
    model: str = "model"
    faults: list[Fault] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    dies_after: int | None = None
    delay_s: float = 0.0
    key: str | None = None
    reasoning: str | None = None
    most_at_once: int = 0
    url: str = ""
    _answered: int = 0
    _inside: int = 0
    _closed: bool = False
    _drawing: threading.Lock = field(default_factory=threading.Lock)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, body: dict[str, Any], authorization: str) -> dict[str, Any] | Fault:
        """Return the answer to a POST."""
        with self._counting:
            self.requests.append(body)
            self.times.append(time.monotonic())
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
            fault = self._fault(path, body, authorization)
        try:
            if fault:
                return fault
            time.sleep(self.delay_s)
            with self._drawing:
                return Fault() if self._closed else self._complete(path, body)
        finally:
            with self._counting:
                self._inside -= 1

    def close(self) -> None:
        """Let what is being drawn end and draw no more: it would disturb who draws next in this process."""
        with self._drawing:
            self._closed = True

    def _fault(self, path: str, body: dict[str, Any], authorization: str) -> Fault | None:
        if self.dies_after is not None and self._answered >= self.dies_after:
            return Fault()
        if self.faults:
            return self.faults.pop(0)
        if self.key is not None and authorization != f"Bearer {self.key}":
            return Fault(401, "Incorrect API key provided.")
        if path not in ("/v1/completions", "/v1/chat/completions"):
            return Fault(404, f"There is nothing at {path}.")
        if body["model"] != self.model:
            return Fault(404, f"The model `{body['model']}` does not exist.")
        self._answered += 1
        return None

    def _complete(self, path: str, body: dict[str, Any]) -> dict[str, Any] | Fault:
        chat = path == "/v1/chat/completions"
        sampling = Sampling(
            temperature=body["temperature"],
            top_p=body.get("top_p", 1.0),
            max_tokens=body["max_tokens"],
            seed=body.get("seed", 0),
            stop=tuple(body.get("stop", ())),
        )
        drawn = list(self.generator.generate([body["messages" if chat else "prompt"]], sampling))
        if not drawn:
            context = context_length(self.generator.model)
            return Fault(400, f"This model's maximum context length is {context} tokens.")
        [(_, [completion])] = drawn
        message = {"role": "assistant", "content": completion.text}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        choice = {"message": message} if chat else {"text": completion.text}
        finish = "stop" if completion.finished else "length"
        return {
            "id": "1",
            "object": "chat.completion" if chat else "text_completion",
            "created": 0,
            "model": self.model,
            "choices": [{"index": 0, "finish_reason": finish, "logprobs": None, **choice}],
            "usage": {
                "prompt_tokens": 0,
                "completion_tokens": len(completion.token_ids),
                "total_tokens": len(completion.token_ids),
            },
        }


@contextmanager
def serve(generator: TransformersGenerator, port: int = 0, model: str = "model") -> Iterator[Server]:
    """Run a server on loopback, at a free port by default, for as long as the context lasts."""
    server = Server(generator, model)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = server.answer(self.path, body, self.headers.get("Authorization", ""))
            if not isinstance(answer, Fault):
                self._send(200, answer, {})
            elif answer.status:
                self._send(answer.status, {"error": {"message": answer.message}}, answer.headers)
            # else: the connection is closed without an answer

        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": server.model, "object": "model"}]}, {})

        def _send(self, status: int, answer: Any, headers: dict[str, str]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that hung up

    http = Quiet(("127.0.0.1", port), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        server.close()
        http.server_close()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="minicode-base")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    try:
        generator = TransformersGenerator(*load_model(arguments.model))
    except UserError as error:
        parser.error(str(error))
    with serve(generator, arguments.port, arguments.model) as server:
        print(f"{arguments.model} at {server.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
