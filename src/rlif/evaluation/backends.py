"""`make_generator`: a model's name and a back end's name become something to evaluate."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rlif.errors import UserError
from rlif.evaluation.dtype import Dtype
from rlif.evaluation.endpoint_generator import EndpointGenerator, Limits
from rlif.evaluation.sampling import Generator
from rlif.problems.extraction import extraction_of
from rlif.problems.prompts import PromptStyle


class BackendName(StrEnum):
    """What runs the model."""

    TRANSFORMERS = "transformers"  # in this process
    VLLM = "vllm"  # in this process
    ENDPOINT = "endpoint"  # a server


@dataclass(frozen=True, slots=True)
class Options:
    """What a back end may be told; each takes what concerns it.

    Attributes:
        dtype: [transformers, vllm] of the weights; None for what the checkpoint was saved in, but float32 on
            a CPU with transformers, where halves are slow.
        batch_size: [transformers] completions drawn at a time.
        url: [endpoint] where the server's API begins.
        chat: [endpoint] whether to send messages rather than plain text; other back ends look at the model's
            chat template.
        limits: [endpoint] of the requests.
    """

    dtype: Dtype | None = None
    batch_size: int = 16
    url: str | None = None
    chat: bool = True
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Backend:
    """A model ready to be evaluated.

    Attributes:
        generator: draws its completions.
        chat: whether it wants messages; False for plain text.
        style: of the prompts that it is to be asked with; its programs are found by the rule of that style.
        context: longest prompt and completion together, in tokens; None when not limited or not known.
        identity: tells its weights from others; of a server, as far as its URL and the model's name do.
        settings: what else completions follow from, beside prompts and sampling.
        model, tokenizer: where transformers has them in this process, for the statistics of tokens.
    """

    generator: Generator
    chat: bool
    style: PromptStyle
    context: int | None
    identity: str
    settings: tuple[object, ...]
    model: Any = None
    tokenizer: Any = None


StyleOf = Callable[[bool], PromptStyle]
"""Chooses the style of the prompts, told whether the model has a chat template."""


def make_generator(
    backend: BackendName,
    model: str,
    options: Options | None = None,
    style_of: StyleOf = lambda chat: "rlif",
) -> Backend:
    """Load a model, or turn to the server that has it.

    Args:
        backend: what runs it.
        model: an alias, a directory or a hub id; the server's own name for it with an endpoint.
        options: of the back end.
        style_of: chooses the style of the prompts once it is known whether the model has a chat template.

    Raises:
        UserError: the model cannot be loaded, a package is missing, or an endpoint has no URL.
    """
    options = options or Options()
    if backend is BackendName.ENDPOINT:
        return _endpoint(model, options, style_of)
    if backend is BackendName.VLLM:
        return _vllm(model, options, style_of)
    return _transformers(model, options, style_of)


def _transformers(name: str, options: Options, style_of: StyleOf) -> Backend:
    import torch

    from rlif.evaluation.models import context_length, fingerprint, load_model
    from rlif.evaluation.transformers_generator import TransformersGenerator

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = options.dtype or ("auto" if device == "cuda" else "float32")
    model, tokenizer = load_model(name, dtype)
    model.to(device)  # pyright: ignore[reportArgumentType]
    chat = tokenizer.chat_template is not None
    style = style_of(chat)
    return Backend(
        TransformersGenerator(model, tokenizer, options.batch_size, extraction_of(style)),
        chat=chat,
        style=style,
        context=context_length(model),
        identity=fingerprint(name),
        settings=("transformers", dtype, options.batch_size),
        model=model,
        tokenizer=tokenizer,
    )


def _vllm(name: str, options: Options, style_of: StyleOf) -> Backend:
    from rlif.evaluation.models import fingerprint
    from rlif.evaluation.vllm_generator import VLLMGenerator, load_vllm

    dtype = options.dtype or "auto"
    llm = load_vllm(name, dtype)
    chat = llm.get_tokenizer().chat_template is not None
    style = style_of(chat)
    generator = VLLMGenerator(llm, extraction_of(style))
    return Backend(
        generator,
        chat=chat,
        style=style,
        context=generator.context,
        identity=fingerprint(name),
        settings=("vllm", dtype),
    )


def _endpoint(name: str, options: Options, style_of: StyleOf) -> Backend:
    if options.url is None:
        raise UserError("An endpoint needs a URL.", "Give one like http://localhost:8000/v1")
    style = style_of(options.chat)
    return Backend(
        EndpointGenerator(options.url, name, options.limits, extraction_of(style)),
        chat=options.chat,
        style=style,
        context=None,
        identity=f"{options.url} {name}",
        settings=("endpoint",),
    )
