"""A small tokenizer and a small random Llama, built in memory: the real classes, nothing downloaded."""

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

BOS, EOS, PAD = "<s>", "</s>", "<pad>"

# The beginning-of-sequence token stands in the template, as in Llama's and Gemma's.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)

TEXT = [
    "Let us think step by step.\n```python\ndef f(x):\n    return x + 1\n```\n",
    "Let us think.\n\n```python\nprint(int(input()) * 2)\n```\n",
] * 4


def tiny_tokenizer(chat: bool = True) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer of 320 tokens that adds BOS of its own accord."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXT, trainer)
    bos_id = bpe.token_to_id(BOS)
    bpe.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, bos_id)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=BOS, eos_token=EOS, pad_token=PAD)
    tokenizer.chat_template = CHAT_TEMPLATE if chat else None
    return tokenizer


def tiny_llama(tokenizer: PreTrainedTokenizerFast, seed: int = 0, **config: Any) -> LlamaForCausalLM:
    """Return a random Llama of two layers and width 32 for this tokenizer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        settings: dict[str, Any] = {
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 256,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "initializer_range": 0.3,  # large enough that the distributions are not flat
        }
        return LlamaForCausalLM(LlamaConfig(**(settings | config))).eval()
