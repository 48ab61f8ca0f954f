"""Tasks: one file each. A task sets questions, and marks the answers; it never sees a model.

To add one, write its file and name it in `TASKS`.
"""

from __future__ import annotations

from harness.tasks.base import Context, Judge, Task
from harness.tasks.conditional_generation import ConditionalGeneration

TASKS: dict[str, Task] = {
    "conditional-generation": ConditionalGeneration(),
}

__all__ = ["TASKS", "Context", "Judge", "Task"]
