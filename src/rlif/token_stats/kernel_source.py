# pyright: basic, reportMissingImports=false, reportOperatorIssue=false, reportGeneralTypeIssues=false
# pyright: reportAssignmentType=false, reportAttributeAccessIssue=false
# (Triton's language, a subset of Python with types of its own; the package need not be installed.)
"""The Triton kernel: every statistic of a token from one read of its logits.

One program per token walks the vocabulary in blocks. Each of its BLOCK lanes keeps the largest logit it has
seen *out of* its running sums: of that and the next logit, the smaller one (the loser) enters them. So each
logit costs one exponential, the top of the row is never summed (`rlif.token_stats.rows` says why), and the
running reference, the largest loser, ends as the second-largest logit of the row.

Exponents are powers of 2, formed by one fused multiply-add, e = β₂ x − c, where β₂ = log₂(e) / T and c is
β₂ · reference, rounded. Lanes are float32; what is done with the sums, once a row, is float64.

Nearly uniform rows (KL(U‖p) < 2 nats, which language models do not have) are read a second time.
"""

import triton
import triton.language as tl


@triton.jit
def statistics_kernel(logits, targets, index, out, stride, V, M, beta, beta_rest, BLOCK: tl.constexpr):
    """Write the five statistics of row `index[program]` of the logits to out[:, program].

    Args:
        logits: pointer to [N, V], float32, bfloat16 or float16.
        targets: pointer to [N] ids.
        index: pointer to [M] rows.
        out: pointer to [5, M] float32.
        stride: of the logits, from row to row.
        V: vocabulary.
        M: number of programs.
        beta: log₂(e) / temperature, as float32.
        beta_rest: what rounding left of it.
        BLOCK: logits read at a time, a power of 2.
    """
    program = tl.program_id(0)
    row = tl.load(index + program).to(tl.int64)
    start = logits + row * stride
    lanes = tl.arange(0, BLOCK)
    infinity = float("inf")

    # The first block fills the lanes; nothing has lost yet.
    x = tl.load(start + lanes, mask=lanes < V, other=-infinity).to(tl.float32)
    best = x  # [BLOCK] the largest logit of each lane, outside of its sums
    first = tl.max(x, 0)
    origin = tl.where((first > -infinity) & (first < infinity), first, 0.0)
    offsets = tl.where(lanes < V, x - origin, 0.0)  # Σ (x − origin), for the mean
    reference = tl.full([], -infinity, tl.float32)  # the largest loser so far
    weights = tl.zeros([BLOCK], tl.float32)  # Σ 2^e
    weighted = tl.zeros([BLOCK], tl.float32)  # Σ 2^e e

    whole = V // BLOCK * BLOCK
    for column in tl.range(BLOCK, whole, BLOCK, num_stages=3):  # loads run ahead
        x = tl.load(start + column + lanes).to(tl.float32)
        offsets += x - origin
        loser = tl.minimum(best, x)
        best = tl.maximum(best, x)
        new = tl.max(loser, 0)
        if new > reference:
            weights, weighted = _move(weights, weighted, reference, new, beta)
            reference = new
        weights, weighted = _add(weights, weighted, loser, reference, beta)
    if whole < V and whole > 0:  # what is left is shorter than a block
        inside = whole + lanes < V
        x = tl.load(start + whole + lanes, mask=inside, other=-infinity).to(tl.float32)
        offsets += tl.where(inside, x - origin, 0.0)
        loser = tl.minimum(best, x)
        best = tl.maximum(best, x)
        new = tl.maximum(reference, tl.max(loser, 0))
        weights, weighted = _move(weights, weighted, reference, new, beta)
        reference = new
        weights, weighted = _add(weights, weighted, loser, reference, beta)

    # The best of the lanes: one is the top of the row, the others lose to it.
    top = tl.max(best, 0)
    winner = tl.min(tl.where(best == top, lanes, BLOCK), 0)
    loser = tl.where(lanes == winner, -infinity, best)
    second = tl.maximum(reference, tl.max(loser, 0))
    weights, weighted = _move(weights, weighted, reference, second, beta)
    weights, weighted = _add(weights, weighted, loser, second, beta)

    # One number a row from here on, float64, natural logarithms.
    LN2: tl.constexpr = 0.6931471805599453
    one = tl.full([], 1.0, tl.float64)
    beta64 = one * beta + one * beta_rest
    inverse_temperature = beta64 * LN2
    total_offset = tl.sum(offsets, 0)
    sum_weights = tl.sum(weights, 0).to(tl.float64)
    sum_weighted = tl.sum(weighted, 0).to(tl.float64)
    top64, second64 = top.to(tl.float64), second.to(tl.float64)
    gap = 0.0 * one
    tail = 0.0 * one
    inner = 0.0 * one  # Σ exp(z) z, z from the top
    if second > -infinity:
        gap = (second64 - top64) * inverse_temperature
        # Where e = 0, seen from the top, in bits: the reference's own e is what rounding left of it.
        zero = (second64 - top64) * beta64 - (one * beta * second64 - _centre(second, beta).to(tl.float64))
        tail = tl.exp(zero * LN2) * sum_weights
        inner = tl.exp(zero * LN2) * (sum_weighted + zero * sum_weights) * LN2
    log_sum = _log1p(tail)
    mean_offset = total_offset.to(tl.float64) / V  # the mean logit is this beside the origin
    mean = (origin.to(tl.float64) - top64 + mean_offset) * inverse_temperature
    certainty = log_sum - mean - tl.log(V * one)
    if certainty < 2.0:
        # Nearly uniform: log1p(mean(exp(d) − 1 − d)), d = z − mean(z), whose terms are all positive.
        excess = tl.zeros([BLOCK], tl.float32)
        for column in range(0, V, BLOCK):
            inside = column + lanes < V
            x = tl.load(start + column + lanes, mask=inside, other=0.0).to(tl.float32)
            d = (x - origin - mean_offset.to(tl.float32)) * inverse_temperature.to(tl.float32)
            # exp(d) − 1 − d: its series where the difference would cancel.
            series = (
                d * d * (0.5 + d * (1 / 6 + d * (1 / 24 + d * (1 / 120 + d * (1 / 720 + d * (1 / 5040))))))
            )
            excess += tl.where(inside, tl.where(tl.abs(d) < 0.5, series, tl.exp(d) - 1.0 - d), 0.0)
        certainty = _log1p(tl.sum(excess, 0).to(tl.float64) / V)

    y = tl.load(start + tl.load(targets + row)).to(tl.float64)
    logprob = (y - top64) * inverse_temperature - log_sum
    entropy = log_sum - inner / (1.0 + tail)
    largest = 1.0 / (1.0 + tail)
    margin = tl.where(second > -infinity, (1.0 - tl.exp(gap)) * largest, largest)
    # No distribution: a NaN or +inf among the logits (it is in the sum of all), or nothing but −inf.
    undefined = (total_offset != total_offset) | (total_offset == infinity) | (top == -infinity)
    nan = float("nan")
    tl.store(out + program, tl.where(undefined, nan, logprob).to(tl.float32))
    tl.store(out + M + program, tl.where(undefined, nan, entropy).to(tl.float32))
    tl.store(out + 2 * M + program, tl.where(undefined, nan, certainty).to(tl.float32))
    tl.store(out + 3 * M + program, tl.where(undefined, nan, largest).to(tl.float32))
    tl.store(out + 4 * M + program, tl.where(undefined, nan, margin).to(tl.float32))


@triton.jit
def _centre(reference, beta):
    """Return c, what exponents are taken from: 0 while there is no reference."""
    return tl.where(reference > -float("inf"), reference * beta, 0.0)


@triton.jit
def _add(weights, weighted, loser, reference, beta):
    """Return the sums with the losers in them; a logit of −inf adds nothing."""
    exponent = tl.maximum(tl.fma(loser, beta, -_centre(reference, beta)), -1e30)  # 0 · 1e30 = 0, 0 · ∞ is not
    weight = tl.exp2(exponent)
    return weights + weight, weighted + weight * exponent


@triton.jit
def _move(weights, weighted, reference, new, beta):
    """Return the sums seen from another reference; they are empty where there was none."""
    shift = tl.where(reference > -float("inf"), _centre(reference, beta) - _centre(new, beta), 0.0)
    factor = tl.exp2(shift)
    return factor * weights, factor * (weighted + weights * shift)


@triton.jit
def _log1p(x):
    """Return log(1 + x), float64: the quotient undoes what rounding 1 + x did to its logarithm."""
    y = 1.0 + x
    return tl.where(y > 1.0, tl.log(y) * x / tl.where(y > 1.0, y - 1.0, 1.0), x)
