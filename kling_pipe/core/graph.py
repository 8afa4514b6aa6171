"""Dependencies as a graph of addresses: order, cycles, what is above and below. Pure.

A graph is a mapping from an address to the addresses it needs. Needs that are no key of the mapping are ignored:
they are things that exist already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

Needs = Mapping[str, Iterable[str]]


def order(needs: Needs) -> list[str]:
    """Return every address after all that it needs, otherwise in the order given. Raise ValueError on a cycle."""
    # All addresses first, without needs: what is ready at the same time then comes in the order given.
    sorter = TopologicalSorter(dict.fromkeys(needs, ()))
    for address, wanted in needs.items():
        sorter.add(address, *(need for need in wanted if need in needs))
    try:
        return list(sorter.static_order())
    except CycleError:
        # The path that `cycle` finds starts at the first address given; graphlib starts wherever its search does.
        raise ValueError(" -> ".join(cycle(needs) or ())) from None


def children(needs: Needs) -> dict[str, list[str]]:
    """The graph turned around: which addresses need this one."""
    found: dict[str, list[str]] = {address: [] for address in needs}
    for address, wanted in needs.items():
        for need in dict.fromkeys(wanted):
            if need in found:
                found[need].append(address)
    return found


def cycle(needs: Needs) -> list[str] | None:
    """The path of one cycle, first address repeated at the end, or None."""
    finished: set[str] = set()
    for start in needs:
        path: dict[str, None] = {}
        stack = [(start, False)]
        while stack:
            address, leaving = stack.pop()
            if leaving:
                path.pop(address, None)
                finished.add(address)
            elif address in path:
                inside = list(path)
                return [*inside[inside.index(address) :], address]
            elif address not in finished and address in needs:
                path[address] = None
                stack.append((address, True))
                stack.extend((need, False) for need in needs[address])
    return None


def ancestors(needs: Needs, start: Iterable[str]) -> set[str]:
    """Everything that the given addresses need, directly or not; without themselves unless they need each other."""
    return _reached(start, lambda address: needs.get(address, ()))


def descendants(needs: Needs, start: Iterable[str]) -> set[str]:
    """Everything that needs one of the given addresses, directly or not."""
    below = children(needs)
    return _reached(start, lambda address: below.get(address, ()))


def longest_from(needs: Needs, seconds: Mapping[str, float]) -> dict[str, float]:
    """For each address the longest chain that starts with it, in seconds: what is critical goes first."""
    below = children(needs)
    total: dict[str, float] = {}
    for address in reversed(order(needs)):
        total[address] = seconds.get(address, 0.0) + max((total[child] for child in below[address]), default=0.0)
    return total


def _reached(start: Iterable[str], step: Callable[[str], Iterable[str]]) -> set[str]:
    found: set[str] = set()
    queue = deque(start)
    while queue:
        for address in step(queue.popleft()):
            if address not in found:
                found.add(address)
                queue.append(address)
    return found
