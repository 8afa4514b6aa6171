"""Finds tasks in memory: by either id, by element id, or page by page, newest first."""

from __future__ import annotations

from collections import defaultdict

from kling_pipe.emulator.answers import Refusal
from kling_pipe.emulator.task import Task


class Index:
    """Every task of every account."""

    def __init__(self) -> None:
        self.by_task_id: dict[str, Task] = {}
        self.by_element: dict[int, Task] = {}
        self._by_external: dict[tuple[str, str], Task] = {}
        self._by_operation: defaultdict[tuple[str, str], list[Task]] = defaultdict(list)
        self._hidden: list[Task] = []

    def add(self, task: Task) -> None:
        """Take in a task; a second one with the same external id hides the first from look-ups by that id."""
        self.by_task_id[task.task_id] = task
        self._by_operation[task.account, task.operation].append(task)
        if task.external_id:
            self._by_external[task.account, task.external_id] = task
        if task.element_id:
            self.by_element[task.element_id] = task
        if task.visible_at > task.created_at:
            self.hide(task)

    def hide(self, task: Task) -> None:
        """Leave a task out of every answer before its `visible_at`."""
        self._hidden.append(task)

    def owner(self, account: str, external_id: str) -> Task | None:
        """The task that holds an external id in an account, visible or not."""
        return self._by_external.get((account, external_id)) if external_id else None

    def find(self, account: str, operation: str, name: str, now: int) -> Task:
        """A task by task id or external id. Raises Refusal 1201, as Kling answers for what it does not know."""
        task = self._by_external.get((account, name)) or self.by_task_id.get(name)
        if task is None or task.account != account or task.operation != operation or task.visible_at > now:
            raise Refusal(1201, f"Task not found by id/external id: {name}")
        return task

    def page(self, account: str, operation: str, number: int, size: int, now: int) -> list[Task]:
        """One page of an operation's tasks, newest first, pages counted from 1."""
        tasks = self._by_operation[account, operation]
        if self._hidden:
            self._hidden = [task for task in self._hidden if task.visible_at > now]
            tasks = [task for task in tasks if task.visible_at <= now] if self._hidden else tasks
        end = len(tasks) - (number - 1) * size
        return tasks[max(0, end - size) : end][::-1] if end > 0 else []

    def all(self) -> list[Task]:
        """Every task in the order of creation."""
        return list(self.by_task_id.values())
