"""What an engine is: the one protocol that all of them follow."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from twig_assets.engines.copies import Copy

C = TypeVar("C")
"""What a worker opens once."""

T = TypeVar("T")
"""What a shard holds."""

R = TypeVar("R")
"""What is computed of a shard."""


class WorkerDiedError(RuntimeError):
    """Workers ended, again and again, while they computed the same shard; the message says which and what to do."""


@dataclass(frozen=True)
class Context(Generic[C]):
    """What a worker opens once and keeps as long as calls ask for the same.

    Attributes:
        opens: A function of a module that opens it. It reads files and never writes any.
        settings: What it is given. Equal pickles mean the same context, so name a file with its version or hash.
        copies: What has to be copied to the worker's machine before; see `copy_of`.
        draws: Whether it is a model that draws or is trained: then a worker is given its share of a GPU.
    """

    opens: Callable[[Any], C]
    settings: Any
    copies: tuple[Copy, ...] = ()
    draws: bool = False


@dataclass(frozen=True)
class Shard(Generic[T]):
    """An independent part of the work.

    Attributes:
        name: What a person calls it; errors name it.
        content: What the function is given; it is pickled, so keep it small.
    """

    name: str
    content: T


def ignored(name: str) -> None:
    """Take no notice of a finished shard."""


class Engine(Protocol):
    """Computes a function over shards.

    Attributes:
        workers: How many shards are computed at the same time, at most.
    """

    @property
    def workers(self) -> int:
        """See the class."""

    def map(
        self,
        compute: Callable[[C, T], R],
        shards: Iterable[Shard[T]],
        context: Context[C],
        finished: Callable[[str], None] = ignored,
    ) -> Generator[R, None, None]:
        """Give the function's result for each shard, in the shards' order, as they come.

        Closing the generator, or an exception such as Ctrl-C in the caller, ends what is being computed. One call at a
        time: the next begins when the generator of the one before is spent or closed.

        Args:
            compute: A pure function of a module: of what the context opens and a shard's content. A shard may be
                computed twice, when the worker that had it dies.
            shards: The work; it is taken as workers get free, so that a generator may read what they hold.
            context: What each worker opens once.
            finished: Called with a shard's name when it is computed, in any order; for progress.

        Raises:
            WorkerDiedError: If a shard has cost two workers.
            Exception: Whatever the function or the context raised, with a note that names the shard. Of several
                shards that fail, the first in order counts.
        """
