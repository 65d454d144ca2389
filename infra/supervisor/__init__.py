"""Starts the parts as processes, keeps them running, and ends them together."""

from infra.supervisor.events import Event, SupervisorError, What
from infra.supervisor.supervisor import Supervisor

__all__ = ["Event", "Supervisor", "SupervisorError", "What"]
