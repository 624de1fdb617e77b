"""Prompts into token ids: chat templates, beginning-of-sequence tokens, templates without a system role."""

from collections.abc import Sequence
from typing import Any, Protocol

from jinja2.exceptions import TemplateError

from rlif.errors import UserError

Prompt = str | list[dict[str, str]]
"""What TRL accepts: a list of messages for a model with a chat template, or plain text."""


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that prompts need."""

    def __call__(self, text: Any, /, **options: Any) -> Any:
        """Tokenise a list of texts; `["input_ids"]` of the result holds one list of ids a text."""
        ...

    def apply_chat_template(self, conversation: Any, /, **options: Any) -> Any:
        """Write messages as the text the model was taught on."""
        ...


def tokenize_prompts(tokenizer: Tokenizer, prompts: Sequence[Prompt]) -> list[list[int]]:
    """Return the token ids of each prompt, not padded and not cut.

    Messages go through the chat template, up to where the model's turn begins. A template writes the
    beginning-of-sequence token itself, so its text is tokenised without special tokens (no second one); so is
    plain text that begins with that token. Other plain text gets the tokenizer's defaults.

    A template that refuses a system message, or leaves it out, is given it at the head of the user's message:
    as LiveCodeBench does for models without a system role.

    Raises:
        UserError: a chat template that refuses the messages.
    """
    return [_tokenize(tokenizer, prompt) for prompt in prompts]


def _tokenize(tokenizer: Tokenizer, prompt: Prompt) -> list[int]:
    if isinstance(prompt, str):
        bos: Any = getattr(tokenizer, "bos_token", None)
        begun = bool(bos) and prompt.startswith(bos)
        return list(tokenizer(prompt, add_special_tokens=not begun)["input_ids"])
    return list(tokenizer(_chat_text(tokenizer, prompt), add_special_tokens=False)["input_ids"])


def _chat_text(tokenizer: Tokenizer, messages: list[dict[str, str]]) -> str:
    system = messages[0]["content"] if messages[0]["role"] == "system" else None
    try:
        text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        if system is None:
            raise UserError(
                f"The model's chat template refuses the prompt: {error}",
                "Mend chat_template in the model's tokenizer_config.json.",
            ) from error
        return _chat_text(tokenizer, _without_system(messages))
    if system is not None and system.strip() not in text:
        return _chat_text(tokenizer, _without_system(messages))
    return text


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    system, user, *others = messages
    return [{"role": user["role"], "content": f"{system['content']}\n\n{user['content']}"}, *others]
