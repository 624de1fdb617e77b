"""Started in the background (`make test &`), the suite inherits an ignored SIGINT, which Python leaves so.

Tests of Ctrl-C, and the processes that they start, need it as it is in the foreground.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
