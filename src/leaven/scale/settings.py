"""Where the pieces of a run are carried out, and what each of them takes of a machine."""

from pydantic import Field, field_validator

from leaven.section import Section


class ScaleSection(Section):
    """Where cells and pieces of rows are computed, and what each takes of a machine; no result depends on it."""

    on: str = ""
    """Empty: this process. ray: the Ray cluster that RAY_ADDRESS names or that runs here, else one of this machine
    alone. ray://HOST:PORT: a cluster from outside."""
    num_cpus: float = Field(1, gt=0)
    """Ray: CPUs of a piece of work (a cell, some rows of a lift), and the threads that it computes with."""
    num_gpus: float | None = Field(None, ge=0)
    """Ray: GPUs of a piece that computes with a model; 0.5: two share one. Null: 1 where there is any, else 0."""
    memory: float = Field(0, ge=0)
    """Ray: GiB of memory that a piece is taken to need, so that no more of them meet on a machine; 0: not counted."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What these settings need."""
        return ("ray",) if self.on else ()

    @field_validator("on")
    @classmethod
    def _check(cls, on: str) -> str:
        if on not in ("", "ray") and not on.startswith("ray://"):
            raise ValueError(f"{on!r} is no cluster: write ray, or ray://HOST:PORT")
        return on
