"""Passes as captured graphs: a GPU replays one in a launch, where the host would launch hundreds.

One graph per number of rows, in one memory pool. The first time it is needed the pass is run both
ways and compared; where they differ, or a capture fails, every pass is launched as on a CPU.
"""

import logging
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

log = logging.getLogger(__name__)


class Graphs:
    """The graphs of one engine, on tensors that stay where they are."""

    def __init__(self, wanted: bool):
        self.wanted = wanted
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._pool = None

    def run(self, shape: Hashable, go: Callable[[], None], tables: Sequence[Tensor]) -> None:
        """Do what `go` does to the `tables`; `shape` is all that decides its operations."""
        if not self.wanted:
            go()
        elif shape in self._graphs:
            self._graphs[shape].replay()
        else:
            self._first(shape, go, tables)

    def _first(self, shape: Hashable, go: Callable[[], None], tables: Sequence[Tensor]) -> None:
        """Go, and capture; out of memory is for the caller."""
        before = [table.clone() for table in tables]
        go()
        after = [table.clone() for table in tables]
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                go()
            self._pool = self._pool or graph.pool()
            for table, value in zip(tables, before, strict=True):
                table.copy_(value)
            graph.replay()
            if all(map(torch.equal, tables, after)):
                self._graphs[shape] = graph
                return
            reason = f"a graph of {shape} gives other rows"
        except RuntimeError as error:
            reason = f"no graph of {shape} ({(str(error).splitlines() or [''])[0]})"
        self.wanted = False
        self._graphs.clear()
        log.warning("every operation is launched by itself: %s", reason)
        for table, value in zip(tables, after, strict=True):
            table.copy_(value)
