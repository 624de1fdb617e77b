"""What runs inside the sandbox. Imports the standard library and itself only: nothing else of rlif is there.

`zygote` waits for programs, forks one `child` for each and supervises it; `codec` and `frames` are the two
sides' common language.
"""
