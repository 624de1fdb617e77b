"""minicode: procedural Python problems for studies that fit on a laptop."""

from rlif.problems.minicode.corpus import CorpusMix as CorpusMix
from rlif.problems.minicode.corpus import corpus as corpus
from rlif.problems.minicode.generate import load_minicode as load_minicode
