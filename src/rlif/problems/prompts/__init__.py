"""Turn a problem into a prompt, and prompts into token ids.

The styles, `PromptStyle`; docs/prompts.md shows each:

- "bare": the statement and the starter code, nothing else; for models taught on exactly that form;
- "rlif": asks for brief reasoning and then one program in a fenced block, which is the form whose length and
  reasoning share the diagnostics follow;
- "lcb-…": LiveCodeBench's own prompts, word for word, whose scores can be compared with published ones.
"""

from rlif.problems.prompts.livecodebench import OFFICIAL_STOP
from rlif.problems.prompts.styles import (
    PromptStyle,
    auto_style,
    build_prompt,
    default_stop,
    official_stop,
)
from rlif.problems.prompts.tokenize import Prompt, Tokenizer, tokenize_prompts

__all__ = [
    "OFFICIAL_STOP",
    "Prompt",
    "PromptStyle",
    "Tokenizer",
    "auto_style",
    "build_prompt",
    "default_stop",
    "official_stop",
    "tokenize_prompts",
]
