"""LiveCodeBench's prompt for base models (GenericBase): one solved example, then the problem, unsolved.

The frame is the official one, word for word. The examples in it are ours: the official ones are statements
of LeetCode and Codeforces, which are not ours to give away. `one_shot(problem, example)` takes any other.
"""

from dataclasses import dataclass

from rlif.problems.types import Problem


@dataclass(frozen=True, slots=True)
class Example:
    """A solved problem. starter_code: "" for one that reads standard input."""

    question: str
    starter_code: str
    answer: str


FUNCTION_EXAMPLE = Example(
    question="""\
You are given a list of integers temps, the temperature of each day.

Return the number of days that were strictly warmer than the day before. The first day has no day before it.

Example 1:

Input: temps = [12,15,15,9,10]
Output: 2
Explanation: Day 2 (15 after 12) and day 5 (10 after 9) were warmer than the day before.

Example 2:

Input: temps = [20]
Output: 0
Explanation: There is no day before the only day.

Constraints:

1 <= temps.length <= 100
-50 <= temps[i] <= 50
""",
    starter_code="""\
class Solution:
    def countWarmerDays(self, temps: List[int]) -> int:
        """,
    answer="""\
class Solution:
    def countWarmerDays(self, temps: List[int]) -> int:
        ans = 0
        for i in range(1, len(temps)):
            if temps[i] > temps[i - 1]:
                ans += 1
        return ans""",
)

STDIN_EXAMPLE = Example(
    question="""\
A shop puts its $n$ parcels on a scale one after the other. The scale fails as soon as the total weight on \
it is more than $w$. How many parcels can be put on it before it fails?

You have to answer $t$ independent test cases.

-----Input-----

The first line contains one integer $t$ ($1 \\le t \\le 100$), the number of test cases.

The first line of each test case contains two integers $n$ and $w$ ($1 \\le n \\le 1000$, \
$1 \\le w \\le 10^9$). The second line contains $n$ integers $a_1, a_2, \\dots, a_n$ \
($1 \\le a_i \\le 10^6$), the weights in the order of the parcels.

-----Output-----

For each test case, print one integer: the number of parcels that can be put on the scale before it fails.

-----Example-----
Input
2
4 10
3 4 3 1
2 5
6 1

Output
3
0
""",
    starter_code="",
    answer="""\
def count_parcels(weights, limit):
    total = 0
    count = 0
    for weight in weights:
        total += weight
        if total > limit:
            break
        count += 1
    return count


def main():
    t = int(input())
    for _ in range(t):
        n, w = map(int, input().split())
        weights = list(map(int, input().split()))
        print(count_parcels(weights, w))


main()
""",
)


def one_shot(problem: Problem, example: Example | None = None) -> str:
    """Return the prompt of a problem for a base model.

    Args:
        problem: what is asked.
        example: the solved problem before it; None: ours, of the problem's own kind.
    """
    if example is None:
        example = FUNCTION_EXAMPLE if problem.starter_code else STDIN_EXAMPLE
    unsolved = Example(problem.statement, problem.starter_code, answer="")
    with_starter = bool(problem.starter_code)
    return f"{_section(example, with_starter)}\n\n{_section(unsolved, with_starter)}"


def _section(example: Example, with_starter: bool) -> str:
    starter = f"### Starter Code\n{example.starter_code}\n\n" if with_starter else ""
    return f"### Question\n{example.question}\n\n{starter}### Answer\n\n{example.answer}"
