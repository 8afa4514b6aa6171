"""Dependencies as a graph of addresses: order, cycles, what is above and below. Pure.

A graph is a mapping from an address to the addresses it needs. Needs that are no key of the mapping are ignored:
they are things that exist already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

Needs = Mapping[str, Iterable[str]]


def order(needs: Needs) -> list[str]:
    """Every address after all that it needs; otherwise in the order given. Raises ValueError on a cycle."""
    waiting = {address: sum(1 for need in set(wanted) if need in needs) for address, wanted in needs.items()}
    dependents = children(needs)
    ready = deque(address for address, count in waiting.items() if count == 0)
    done: list[str] = []
    while ready:
        address = ready.popleft()
        done.append(address)
        for child in dependents[address]:
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    if len(done) < len(waiting):
        raise ValueError(" -> ".join(cycle(needs) or ()))
    return done


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
