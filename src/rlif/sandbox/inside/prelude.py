"""Names that functional programs may use without importing, as on LeetCode and in LiveCodeBench's checker.

Importing this module also warms the zygote: what is imported here costs a program nothing.
"""

import ast as ast
import bisect
import builtins
import collections
import copy
import dataclasses as dataclasses
import datetime
import decimal as decimal
import enum as enum
import fractions as fractions
import functools
import heapq
import io as io
import itertools
import json
import math
import operator
import queue as queue
import random
import re
import statistics
import string
import sys
import threading as threading
import time as time
import traceback as traceback
import typing
from types import ModuleType

_STARRED: tuple[ModuleType, ...] = (
    string, re, datetime, collections, heapq, bisect, copy, math, random, statistics, itertools, functools,
    operator, json, typing,
)  # fmt: skip


def _names() -> dict[str, object]:
    names: dict[str, object] = {}
    for module in _STARRED:
        public = getattr(module, "__all__", None) or [
            name for name in vars(module) if not name.startswith("_")
        ]
        names |= {name: getattr(module, name) for name in public}
    for name in vars(builtins):  # `pow`, `compile`, `abs`… mean what they mean in a script
        names.pop(name, None)
    return names | {module.__name__: module for module in (*_STARRED, sys)}


NAMES = _names()
"""Name -> value; copied into a program's globals before its code runs."""
