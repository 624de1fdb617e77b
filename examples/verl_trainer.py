"""A trainer for verl 0.9 that learns from an rlif reward: `trainer.v1.trainer_mode=rlif`.

verl's own hooks do not see enough: a reward function sees one answer, an advantage estimator sees rewards
and ids but no log-probabilities, entropies or texts. What sees all of a step at once is the trainer, between
the old log-probabilities and the advantages. This one is verl's synchronous trainer with one more act there:
it replaces `rm_scores`. Advantages, loss and logs stay verl's.
"""

import numpy as np
import torch
import transfer_queue as tq
from omegaconf import DictConfig, OmegaConf
from tensordict import TensorDict
from verl.trainer.ppo.v1 import PPOTrainerSync, register_trainer
from verl.workers.utils.padding import response_from_nested, response_to_nested
from verl_reward import problem_of
from verl_scores import FROM_LOGITS, batch_scores, defined, token_stats_of

from rlif.completions import completion_from_ids
from rlif.rewards import parse_reward

ROWS = ("uid", "data_source", "extra_info")
TENSORS = ("responses", "response_mask", "rm_scores", "old_log_probs", "entropy")


@register_trainer("rlif")
class RLIFTrainer(PPOTrainerSync):
    """verl's synchronous trainer, rewarded by `config.rlif.reward`: a type, or a table of type and options.

    Logs `rlif/reward` (mean, NaN left out), `rlif/undefined` (share of NaN) and `rlif/replaced` (mean of what
    the reward function had said: the pass rate, where that is `compute_score`).
    """

    def __init__(self, config: DictConfig) -> None:
        self.rlif_reward = parse_reward(OmegaConf.to_container(config.rlif)["reward"])
        # verl finds this class by its name, then takes every name but this one for an asynchronous trainer.
        config.trainer.v1.trainer_mode = "sync"
        super().__init__(config)

    def _compute_old_log_prob(self, batch: tq.KVBatchMeta, metrics: dict) -> tq.KVBatchMeta:
        batch = super()._compute_old_log_prob(batch, metrics)
        where = {"keys": batch.keys, "partition_id": batch.partition_id}
        data = tq.kv_batch_get(**where, select_fields=[*ROWS, *TENSORS, *FROM_LOGITS])
        nested_mask = data["response_mask"]
        for name in FROM_LOGITS:
            if name in data:  # as an engine puts them out, over prompt and response
                data[name] = response_from_nested(data[name], nested_mask)
        tensors = data.select(*TENSORS, *FROM_LOGITS, strict=False).to_padded_tensor()
        rewards = self._rewards(tensors, {name: list(data[name]) for name in ROWS}, metrics)
        fields = {"rm_scores": response_to_nested(rewards, nested_mask)}
        return tq.kv_batch_put(**where, fields=TensorDict(fields, batch_size=len(batch)))

    def _rewards(self, tensors: TensorDict, rows: dict[str, list], metrics: dict) -> torch.Tensor:
        """Return [N, T] rewards: each on the last token of its response, 0 elsewhere."""
        mask = tensors["response_mask"].bool()
        real = mask.any(dim=1).nonzero().flatten()  # verl fills a batch up with rows that do not count
        kept, uids = tensors[real], [rows["uid"][i] for i in real.tolist()]
        last = torch.where(mask[real], torch.arange(mask.shape[1]), -1).amax(dim=1)
        scores = batch_scores(
            self.rlif_reward,
            uids,
            problems=[problem_of(rows["data_source"][i], rows["extra_info"][i]) for i in real.tolist()],
            completions=[
                completion_from_ids(self.tokenizer, ids[: end + 1].tolist(), {self.tokenizer.eos_token_id})
                for ids, end in zip(kept["responses"], last, strict=True)
            ],
            stats=token_stats_of(
                mask[real],
                self.config.actor_rollout_ref.rollout.temperature,
                logprob=kept["old_log_probs"],
                **{name: kept[name] for name in ("entropy", *FROM_LOGITS) if name in kept},
            ),
            step=self.global_steps,
        )
        metrics["rlif/reward"] = float(np.nanmean(scores))
        metrics["rlif/undefined"] = float(np.isnan(scores).mean())
        metrics["rlif/replaced"] = kept["rm_scores"].sum(dim=1).mean().item()
        rewards = torch.zeros(mask.shape)
        rewards[real, last] = torch.tensor(defined(scores, uids), dtype=torch.float32)
        return rewards
