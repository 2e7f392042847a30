"""Engines: a pure function over shards of work, in this process, in several, or on several machines.

Here belongs how work is spread and how its results come back in order; what the work is belongs to those who call.
Results have the same bytes whatever the engine and the number of workers. A worker opens what it needs (an index, a
policy, detectors) once, and never writes anything that others read: the caller's process alone does that.
"""

from twig_assets.engines.copies import Copy, CopyError, copy_of
from twig_assets.engines.engine import Context, Engine, Shard, WorkerDiedError
from twig_assets.engines.opening import opened_engine
from twig_assets.engines.ray_cluster import RayError

__all__ = ["Context", "Copy", "CopyError", "Engine", "RayError", "Shard", "WorkerDiedError", "copy_of", "opened_engine"]
