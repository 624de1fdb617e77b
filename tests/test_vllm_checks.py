"""What is said of a vLLM server before anything is loaded: one on loopback that answers as vLLM's does."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from rlif.config import GRPOTable, RunConfig
from rlif.errors import UserError
from rlif.evaluation.models import model_source
from rlif.training import vllm_checks
from rlif.training.run import run
from rlif.training.vllm_checks import check_vllm

MODEL = "Qwen/Qwen2.5-Coder-3B"
ANSWER: dict[str, Any] = {"data": [{"id": MODEL, "max_model_len": 4096}]}


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_checks, "find_spec", lambda name: object())


@pytest.fixture
def server() -> Iterator[tuple[str, list[Any]]]:
    """Yield an address, and a list whose last entry is what it answers."""
    answers: list[Any] = [ANSWER]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers[-1]).encode()
            self.send_response(200 if self.path == "/v1/models" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}", answers
    http.shutdown()
    http.server_close()


def served_by(address: str, **grpo: Any) -> GRPOTable:
    return GRPOTable(
        extra={"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": address + "/"}, **grpo
    )


@pytest.mark.parametrize("name", [MODEL, "/models/qwen2.5-coder-3b", "qwen2.5-Coder-3B"])
def test_a_server_of_the_same_model_is_taken(server: tuple[str, list[Any]], name: str):
    address, answers = server
    answers.append({"data": [{"id": name, "max_model_len": 4096}]})
    check_vllm(MODEL, served_by(address))


def test_a_server_of_another_model_is_refused(server: tuple[str, list[Any]]):
    address, answers = server
    answers.append({"data": [{"id": "Qwen/Qwen2.5-Coder-7B"}]})
    with pytest.raises(UserError, match=r"serves 'Qwen/Qwen2.5-Coder-7B'; this run trains 'Qwen/.*-3B'"):
        check_vllm(MODEL, served_by(address))


@pytest.mark.parametrize("served", [model_source("minicode-base"), "minicode-base"])
def test_a_model_s_alias_is_known_by_the_directory_that_a_server_is_started_with(
    server: tuple[str, list[Any]], served: str
):
    address, answers = server
    answers.append({"data": [{"id": served, "max_model_len": 4096}]})
    check_vllm("minicode-base", served_by(address))

    answers.append({"data": [{"id": MODEL}]})
    with pytest.raises(UserError) as refused:
        check_vllm("minicode-base", served_by(address))
    assert f"trl vllm-serve --model {model_source('minicode-base')} " in str(refused.value)


def test_a_server_for_shorter_texts_is_refused(server: tuple[str, list[Any]]):
    address, _ = server
    with pytest.raises(UserError, match=r"takes 4096 tokens.*max_completion_length = 4096"):
        check_vllm(MODEL, served_by(address, max_completion_length=4096))


@pytest.mark.parametrize("answer", [{}, {"data": []}, [], None, "starting"])
def test_a_server_that_does_not_say_is_left_to_trl(server: tuple[str, list[Any]], answer: Any):
    address, answers = server
    answers.append(answer)
    check_vllm(MODEL, served_by(address))


def test_a_server_that_does_not_answer_yet_is_left_to_trl():
    check_vllm(MODEL, served_by("http://127.0.0.1:9"))


def test_without_vllm_the_extra_is_named_and_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vllm_checks, "find_spec", lambda name: None)
    check_vllm(MODEL, GRPOTable())
    with pytest.raises(UserError, match="'vllm', which is not installed"):
        check_vllm(MODEL, GRPOTable(extra={"use_vllm": True}))


def test_a_run_asks_before_it_writes_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vllm_checks, "find_spec", lambda name: None)
    config = RunConfig.model_validate(
        {"stages": [{"steps": 1, "reward": "random"}], "grpo": {"extra": {"use_vllm": True}}}
    )
    with pytest.raises(UserError, match="'vllm', which is not installed"):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
