"""Statistics of studies whose runs differ in seed and share their problems; numpy and scipy, pure.

Import the module of the method: `rlif.statistics.bootstrap` needs numpy alone and loads at once, `survival`
loads scipy.stats, which takes a second.
"""
