"""Write a data set of rlif as the parquet file that verl trains on.

python examples/verl_data.py minicode train.parquet --split train
python examples/verl_data.py problems.jsonl train.parquet
"""

import argparse
from typing import Any

import polars as pl

from rlif.problems.load import default_style, load_problems
from rlif.problems.prompts import build_prompt


def rows(name: str, split: str | None = None) -> list[dict[str, Any]]:
    """Return one row a problem. Tests stay where they are: `extra_info` says which problem it is."""
    return [
        {
            "data_source": name,
            "prompt": build_prompt(problem, default_style(name), chat=True),
            "ability": "code",
            "reward_model": {"style": "rule", "ground_truth": ""},
            "extra_info": {"problem_id": problem.id, "split": split, "index": index},
        }
        for index, problem in enumerate(load_problems(name, split))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", help="a data set's name, or the path of a .jsonl file")
    parser.add_argument("out", help="the parquet file to write")
    parser.add_argument("--split", help="part of the data set, where it has parts")
    arguments = parser.parse_args()
    table = pl.DataFrame(rows(arguments.name, arguments.split))
    table.write_parquet(arguments.out)
    print(f"{len(table)} prompts in {arguments.out}")


if __name__ == "__main__":
    main()
