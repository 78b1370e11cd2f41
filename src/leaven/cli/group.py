"""A command that has commands of its own, and names them where one is not among them."""

from typing import Any

from typer.core import TyperGroup


class Group(TyperGroup):
    """The commands of `leaven show`, `leaven store` and the like."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command. Ends with a usage error that names those that there are."""
        return super().get_command(ctx, cmd_name) or ctx.fail(
            f"No such command {cmd_name!r}. Known: {', '.join(self.commands)}."
        )
