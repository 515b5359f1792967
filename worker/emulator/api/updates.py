"""What UpdateCampaign and UpdateRecommender change, over time: pending, in progress, active.

Choices: an update takes `capacity.update_s` of service time, the first tenth of it CREATE PENDING;
without capacity settings it takes no time. It changes the resource when it becomes ACTIVE, not
before. A second one meanwhile is refused with ResourceInUseException (botocore model personalize).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from worker.emulator.conditions.capacity import Capacity
from worker.emulator.errors import ServiceFault
from worker.emulator.resources import Resource, Resources

_PENDING_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One update; `resource` is what it will have become."""

    resource: Resource
    begun_s: float
    active_s: float

    def status(self, now_s: float) -> str:
        """Return the status that a description tells (model, CampaignUpdateSummary)."""
        if now_s >= self.active_s:
            return "ACTIVE"
        pending_s = _PENDING_SHARE * (self.active_s - self.begun_s)
        return "CREATE PENDING" if now_s < self.begun_s + pending_s else "CREATE IN_PROGRESS"

    def changed_s(self, now_s: float) -> float:
        """Return when the status last changed."""
        if now_s >= self.active_s:
            return self.active_s
        pending_s = _PENDING_SHARE * (self.active_s - self.begun_s)
        return self.begun_s if now_s < self.begun_s + pending_s else self.begun_s + pending_s


class Updates:
    """The latest update of each resource; changes it and its capacity when it becomes active."""

    def __init__(self, capacity: Capacity, resources: Resources) -> None:
        self._capacity = capacity
        self._resources = resources
        self._latest: dict[str, Update] = {}
        self._pending: dict[str, Update] = {}

    def begin(self, resource: Resource, now_s: float) -> None:
        """Begin to change a resource to what is given. Raises ServiceFault while it is changing."""
        self.settle(now_s)
        arn = resource.arn
        if arn in self._pending:
            status = self._pending[arn].status(now_s)
            raise ServiceFault("ResourceInUseException", 400, f"an update of {arn} is {status}")
        settings = self._capacity.settings
        duration_s = settings.update_s / settings.time_factor if settings else 0.0
        update = Update(resource=resource, begun_s=now_s, active_s=now_s + duration_s)
        self._latest[arn] = self._pending[arn] = update
        self.settle(now_s)

    def settle(self, now_s: float) -> None:
        """Let the updates take effect that are active by now."""
        if self._pending:
            due = [arn for arn, update in self._pending.items() if now_s >= update.active_s]
            for arn in due:
                update = self._pending.pop(arn)
                self._resources.change(update.resource)
                minimum = update.resource.requests_per_s_min
                self._capacity.set_minimum(arn, minimum, update.active_s)

    def latest(self, arn: str) -> Update | None:
        """Return a resource's latest update, whether it is active or not."""
        return self._latest.get(arn)
