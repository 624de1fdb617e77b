"""The embedded base model: a small Llama taught minicode from scratch by next-token prediction.

`rlif base build` makes it, reproducibly from its seed; the result ships with the package, so nobody has to.
It is an ordinary Hugging Face checkpoint (LlamaForCausalLM, PreTrainedTokenizerFast with a chat template), so
that everything that runs it runs a 7B model too.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.utils.data import IterableDataset
from transformers import (
    DataCollatorForSeq2Seq,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from rlif.problems.minicode import CorpusMix, corpus

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass(frozen=True, slots=True)
class BaseRecipe:
    """How the base model is made; the defaults are those of the shipped checkpoint."""

    seed: int = 0
    steps: int = 2500
    batch_size: int = 32
    learning_rate: float = 2e-3
    vocab_size: int = 640
    layers: int = 3
    width: int = 128
    heads: int = 4
    context: int = 256
    mix: CorpusMix = field(default_factory=CorpusMix)


def build_tokenizer(recipe: BaseRecipe) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on the corpus; a number is never merged with what stands beside it."""
    tokenizer = Tokenizer(models.BPE())
    # Splitting first, as GPT-2 does, keeps words, numbers, spaces and punctuation apart.
    pattern = Regex(r" ?[A-Za-z]+|[0-9]+|`+|\n|[ ]+|[^A-Za-z0-9 \n`]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pattern, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    examples = itertools.islice(corpus(recipe.seed, recipe.mix), 20_000)
    texts = (
        f"{message['content']}\n{answer}"
        for messages, answer in examples
        for message in messages
        if isinstance(message, dict)
    )
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=recipe.vocab_size,
            special_tokens=[PAD, USER, ASSISTANT, END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        model_max_length=recipe.context,
        padding_side="left",
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


class _Corpus(IterableDataset[dict[str, list[int]]]):
    """Tokenised corpus in batches of similar length, so that little is spent on padding."""

    def __init__(self, recipe: BaseRecipe, tokenizer: PreTrainedTokenizerFast) -> None:
        self.recipe, self.tokenizer = recipe, tokenizer

    def __iter__(self) -> Any:
        stream = corpus(self.recipe.seed, self.recipe.mix)
        pool = self.recipe.batch_size * 8
        generator = torch.Generator().manual_seed(self.recipe.seed)
        while True:
            rows = sorted((self._row(*next(stream)) for _ in range(pool)), key=lambda r: len(r["input_ids"]))
            for batch in torch.randperm(8, generator=generator).tolist():
                yield from rows[batch * self.recipe.batch_size : (batch + 1) * self.recipe.batch_size]

    def _row(self, prompt: Any, answer: str) -> dict[str, list[int]]:
        text = self.tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        before = self.tokenizer(str(text), add_special_tokens=False)["input_ids"]
        after = self.tokenizer(answer + END, add_special_tokens=False)["input_ids"]
        return {"input_ids": [*before, *after], "labels": [-100] * len(before) + list(after)}


def build_base(recipe: BaseRecipe, out: Path, callbacks: list[TrainerCallback] | None = None) -> None:
    """Train the base model by `recipe` and save model and tokenizer (weights in float16) under `out`."""
    set_seed(recipe.seed)
    tokenizer = build_tokenizer(recipe)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.width,
            intermediate_size=3 * recipe.width,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            max_position_embeddings=recipe.context,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.vocab[PAD],
            eos_token_id=tokenizer.vocab[END],
            bos_token_id=None,
        )
    )
    arguments = TrainingArguments(
        output_dir=str(out),  # nothing is saved there but the final model
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=100,
        weight_decay=0.01,
        adam_beta2=0.98,
        seed=recipe.seed,
        logging_steps=100,
        save_strategy="no",
        report_to=[],
        bf16=False,
        use_cache=True,  # Trainer writes this into the model's config, and generation would inherit a False
        use_cpu=not torch.cuda.is_available(),
        disable_tqdm=True,
        dataloader_num_workers=0,
    )
    trainer = Trainer(
        model,
        arguments,
        train_dataset=_Corpus(recipe, tokenizer),
        data_collator=DataCollatorForSeq2Seq(tokenizer, padding=True),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
