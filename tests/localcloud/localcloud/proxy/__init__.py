"""A proxy in front of AWS calls: it passes them on, and makes chosen ones fail.

It stands between a caller and the local cloud: in front of the functions that an interpreter of
the state machine invokes, or in front of every AWS call that a function makes. `Rule` says which
calls are disturbed and how; what no rule wants goes through unchanged, with its signature.
Invocations may be sent elsewhere, to functions in containers. With `kubernetes` it also stands
before the API servers of clusters, for everybody who asks EKS where they are.
"""

from __future__ import annotations

from localcloud.proxy.call import Call
from localcloud.proxy.rules import Answer, Cut, Delay, Disturbance, Hold, Kill, Refuse, Result, Rule
from localcloud.proxy.server import Proxy

__all__ = ["Answer", "Call", "Cut", "Delay", "Disturbance", "Hold", "Kill", "Proxy", "Refuse", "Result", "Rule"]
